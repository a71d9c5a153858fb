"""A cell of the matrix: one technique runs one workload under fixed conditions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from operator import attrgetter

KnobValue = str | int | bool

NATIVE = "native"
NATIVE_IO = "emulated"
NO_CHOICE = (NATIVE, "trap-and-emulate")
"""Techniques that nobody could choose: no VMM, and one whose guests may misbehave."""
UNTIMED = "isolation"
"""The family that tells whether something happens, not how fast: natively there is nobody to attack."""

BESIDE, PROTECTION = "beside", "protection"
CIRCUMSTANCES = (BESIDE, PROTECTION)
"""Knobs that say what else is on the machine, not how a technique works: part of a table's row, not of its column."""


def canonical_knobs(knobs: Mapping[str, KnobValue]) -> str:
    """Knobs as JSON text with sorted names: equal settings give equal text."""
    return json.dumps(dict(knobs), sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What distinguishes one row of `runs.parquet` from another.

    `knobs` is canonical JSON text of the knobs that differ from the technique's defaults. The
    order of the fields is the sort order of every table.
    """

    workload: str
    size: str
    io: str
    geometry: str
    technique: str
    knobs: str = "{}"

    @property
    def knob_values(self) -> dict[str, KnobValue]:
        values: dict[str, KnobValue] = json.loads(self.knobs)
        return values

    @property
    def baseline(self) -> Cell:
        """The native cell that this one is compared with: a guest without a VMM has one I/O model only."""
        return replace(self, technique=NATIVE, io=NATIVE_IO, knobs="{}")

    @property
    def slug(self) -> str:
        """A file name for the cell: hexadecimal, the same on every machine."""
        return hashlib.sha256("\0".join(identity(self)).encode()).hexdigest()[:24]

    def __str__(self) -> str:
        knobs = "" if self.knobs == "{}" else f" {self.knobs}"
        return (
            f"{self.technique}{knobs} × {self.workload} ({self.size}, {self.io}, {self.geometry})"
        )


IDENTITY = tuple(field.name for field in fields(Cell))

identity: Callable[[Cell], tuple[str, ...]] = attrgetter(*IDENTITY)
"""A cell's values in the order of IDENTITY."""
