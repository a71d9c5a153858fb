"""Positions of the `bt.*` counters, and the view through which they are incremented."""

from __future__ import annotations

from hardware_model.counters import CounterArray, index
from techniques.binary_translation.unit import Kind

Counts = memoryview
"""A counter array as a memory view: items are plain integers, which is quick to increment."""

UNITS = index("bt.unit")
INSTRUCTIONS_IN = index("bt.instruction.translated")
INSTRUCTIONS_OUT = index("bt.instruction.emitted")
BYTES_OUT = index("bt.byte.emitted")
LINKED = index("bt.link.made")
UNLINKED = index("bt.link.undone")
LOOKUP_FILLED = index("bt.lookup.filled")
INVALIDATED = index("bt.invalidated")
INVALIDATED_REMAP = index("bt.invalidated.remap")
SPACE_SWITCHES = index("bt.space.switch")
RELEASED = index("bt.frame.released")
FLUSHES = index("bt.flush")
ADAPTED = index("bt.adapted")
REVERTED = index("bt.reverted")
FENCE_HIT = index("bt.fence.hit")
FENCE_RELAXED = index("bt.fence.relaxed")
CALLOUTS = index("bt.callout")
BY_KIND = {kind: index(f"bt.callout.{kind.name.lower()}") for kind in Kind}


def view(counters: CounterArray) -> Counts:
    """The same words as `counters`, for increments from Python."""
    return counters.data
