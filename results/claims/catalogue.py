"""The claims, each with the experiment that tests it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from results.claims import devices, isolation, memory_and_devices, processor
from results.claims.evidence import Evidence, Finding


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement to be tested, not assumed."""

    number: int
    statement: str
    test: Callable[[Evidence], Finding]


_STATEMENTS: tuple[tuple[str, Callable[[Evidence], Finding]], ...] = (
    (
        "Binary translation makes x86 virtualizable without changing the guest or the hardware; "
        "trap-and-emulate alone does not.",
        processor.virtualizable,
    ),
    (
        "Binary translation's runtime modification costs performance against hardware assistance.",
        processor.translation_against_hardware,
    ),
    (
        "Para-virtualization removes sensitive instructions by porting the guest, and in most cases "
        "performs best of the three.",
        processor.para_virtualization,
    ),
    (
        "Early VT-x was slow enough to make para-virtualization and binary translation look better; "
        "later generations approach native.",
        processor.generations,
    ),
    (
        "Keeping shadow pages current costs every technique that virtualizes the MMU; EPT removes "
        "most of it.",
        memory_and_devices.shadow_upkeep,
    ),
    (
        "Software I/O emulation costs dearly, para-virtual I/O less, and VT-d assignment brings "
        "native-like speed.",
        devices.software_devices,
    ),
    (
        "DMA outside a device's protection domain is blocked and reported; without VT-d it is not.",
        isolation.blocked_dma,
    ),
    (
        "Hardware extensions shrink the VMM: lines of code, instructions emulated, paths entered.",
        memory_and_devices.vmm_size,
    ),
    ("Several VMs share one machine and stay separate.", isolation.several_machines),
)

CLAIMS: tuple[Claim, ...] = tuple(
    Claim(number, statement, test) for number, (statement, test) in enumerate(_STATEMENTS, 1)
)


def judge(evidence: Evidence) -> Iterator[tuple[Claim, Finding]]:
    """Every claim with its finding."""
    for claim in CLAIMS:
        yield claim, claim.test(evidence)
