"""The calibrated microarchitectures: their names in the published tables, and their scales.

A cost that is known for one core is carried to another by one of three ratios, each with a physical
meaning and none for a single benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from results.calibration.figures import Figure, Figures, geometric_mean

MICROCODE_BENCHMARKS = ("PUSHFQ+POPFQ", "RDTSC", "CPUID EAX=0", "CPUID EAX=1")
"""Rows that are microcode, published for every core; no cost but their own is fitted to them."""

INSTLAT = "INSTLAT"
_CACHES = {
    INSTLAT: (
        "load-to-use L1D",
        "load-to-use L2",
        ("load-to-use L3 (2 MB set)", "load-to-use DRAM (large set, in-page random)"),
    ),
    "SEVENCPU": ("L1D latency", "L2 latency", ("L3 latency",)),
}


@dataclass(frozen=True, slots=True)
class Names:
    """What the published tables call a core: its instructions, its caches, its VT-x round trip.

    `plain_code` is supposed: cycles of ordinary user code relative to Nehalem's. `early_vtx` tells
    that VMMs of its time were those of the first years of VT-x.
    """

    instructions: str
    caches: str
    round_trip: str | None
    plain_code: float
    cache_source: str = INSTLAT
    early_vtx: bool = False


CORES: Mapping[str, Names] = {
    "prescott": Names("NetBurst Prescott", "NetBurst Prescott", "Prescott", 1.6, early_vtx=True),
    "merom": Names("Merom", "Conroe", "Merom", 1.1, early_vtx=True),
    "penryn": Names("Penryn (Yorkfield)", "Penryn (Yorkfield)", "Penryn", 1.05, early_vtx=True),
    "nehalem": Names("Nehalem (Lynnfield)", "Nehalem (Lynnfield)", "Nehalem", 1.0),
    "westmere": Names("Westmere (Gulftown)", "Westmere-EP", "Westmere", 1.0, "SEVENCPU"),
    "sandybridge": Names("Sandy Bridge", "Sandy Bridge", "Sandy Bridge", 0.9),
    "skylake-sp": Names("Skylake-SP", "Skylake-X", None, 0.75),
}
ANCHOR = "prescott"
ESTIMATED = "nehalem"


class Core:
    """One core: its published figures, and its scales relative to the anchor."""

    def __init__(self, preset: str, figures: Figures, frequency: float) -> None:
        self.preset, self.figures, self.frequency = preset, figures, frequency
        self.names = CORES[preset]

    def instruction(self, benchmark: str) -> Figure:
        """InstLatx64's figure."""
        return self.figures.find(INSTLAT, self.names.instructions, benchmark)

    @cached_property
    def caches(self) -> tuple[Figure, Figure, Figure]:
        """Load-to-use latency of L1, of L2 and of what lies behind it: L3, or DRAM."""
        source = self.names.cache_source
        l1, l2, behind = _CACHES[source]
        names = [l1, l2, behind[-1] if self.names.caches in _WITHOUT_L3 else behind[0]]
        found = [self.figures.find(source, self.names.caches, name) for name in names]
        return found[0], found[1], found[2]

    @cached_property
    def microcode(self) -> float:
        """Cycles of microcode relative to the anchor's: a geometric mean over four rows."""
        anchor = CORES[ANCHOR].instructions
        return geometric_mean(
            [
                self.instruction(name).value / self.figures.find(INSTLAT, anchor, name).value
                for name in MICROCODE_BENCHMARKS
            ]
        )

    @cached_property
    def software(self) -> float:
        """Cycles of a VMM's software relative to the anchor's.

        Its paths are plain code, system instructions and misses of the first-level cache: the
        geometric mean of the ratios of all three.
        """
        anchor = self.figures.find(INSTLAT, CORES[ANCHOR].caches, "load-to-use L2")
        plain = self.names.plain_code / CORES[ANCHOR].plain_code
        return geometric_mean([self.microcode, self.caches[1].value / anchor.value, plain])


_WITHOUT_L3 = {CORES[name].caches for name in ("prescott", "merom", "penryn")}
