"""Posted-interrupt descriptors (VT-d specification 5.2, 9.11): an interrupt noted in memory for a virtual processor.

bytes 0 to 31   PIR, one bit for each vector
bytes 32 to 39  bit 0 ON, an outstanding notification; bit 1 SN, none wanted; 23:16 NV, its vector; 63:32 NDST
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hardware_model.memory import MachineMemory

CONTROL, BYTES, PIR_WORDS = 32, 64, 4
OUTSTANDING, SUPPRESSED = 1 << 0, 1 << 1


def control_word(vector: int, destination: int = 0, *, suppressed: bool = False) -> int:
    """The descriptor's second half: notify APIC `destination` with `vector`."""
    return (SUPPRESSED if suppressed else 0) | vector << 16 | destination << 40


class Posting(NamedTuple):
    """What posting did: whether the vector was `new` in PIR, and whether the processor was `notified`."""

    new: bool
    notified: bool


def post(
    memory: MachineMemory,
    descriptor: int,
    vector: int,
    *,
    urgent: bool,
    notify: Callable[[int, int], None],
) -> Posting:
    """Set the vector's bit; notify the processor unless that is outstanding or not wanted."""
    where = descriptor + (vector >> 6) * 8
    requests = memory.read64(where)
    memory.write64(where, requests | 1 << (vector & 63))
    control = memory.read64(descriptor + CONTROL)
    new = not requests >> (vector & 63) & 1
    if control & OUTSTANDING or (control & SUPPRESSED and not urgent):
        return Posting(new, notified=False)
    memory.write64(descriptor + CONTROL, control | OUTSTANDING)
    notify(control >> 40 & 0xFF, control >> 16 & 0xFF)
    return Posting(new, notified=True)


def take(memory: MachineMemory, descriptor: int) -> int:
    """What the processor does when it is notified: clear ON, and empty PIR, whose 256 bits are returned."""
    control = memory.read64(descriptor + CONTROL)
    memory.write64(descriptor + CONTROL, control & ~OUTSTANDING)
    requests = 0
    for word in range(PIR_WORDS):
        requests |= memory.read64(descriptor + 8 * word) << 64 * word
        memory.write64(descriptor + 8 * word, 0)
    return requests
