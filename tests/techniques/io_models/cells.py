"""Cells of the family io, each run once in a process: several modules look at the same ones."""

from __future__ import annotations

from functools import cache

import techniques
import workloads
from techniques.runner import Outcome

IO = [w.name for w in workloads.all() if w.family == "io" and "remapping" not in w.needs]
_ENTRIES = ("exits", "traps", "bt.callout.emulate", "bt.callout.traced")


@cache
def run(
    technique: str, name: str, io: str, knobs: tuple[tuple[str, str | bool], ...] = ()
) -> Outcome:
    """The cell in size small."""
    return techniques.run_guest(technique, workloads.find(name), "small", io=io, knobs=dict(knobs))


def entries(found: Outcome) -> int:
    """Entries into the VMM within the region of interest."""
    return sum(found.counters_roi.get(name, 0) for name in _ENTRIES)
