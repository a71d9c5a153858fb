"""Posted-interrupt descriptors (VT-d specification 5.2, 9.11): an interrupt noted in memory for a virtual processor.

bytes 0 to 31   PIR, one bit for each vector
bytes 32 to 39  bit 0 ON, an outstanding notification; bit 1 SN, none wanted; 23:16 NV, its vector; 63:32 NDST
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.memory import MachineMemory

CONTROL = 32
OUTSTANDING, SUPPRESSED = 1 << 0, 1 << 1


def control_word(vector: int, destination: int = 0, *, suppressed: bool = False) -> int:
    """The descriptor's second half: notify APIC `destination` with `vector`."""
    return (SUPPRESSED if suppressed else 0) | vector << 16 | destination << 40


def post(
    memory: MachineMemory,
    descriptor: int,
    vector: int,
    *,
    urgent: bool,
    notify: Callable[[int, int], None],
) -> None:
    """Set the vector's bit; notify the processor unless that is outstanding or not wanted."""
    where = descriptor + (vector >> 6) * 8
    memory.write64(where, memory.read64(where) | 1 << (vector & 63))
    control = memory.read64(descriptor + CONTROL)
    if control & OUTSTANDING or (control & SUPPRESSED and not urgent):
        return
    memory.write64(descriptor + CONTROL, control | OUTSTANDING)
    notify(control >> 40 & 0xFF, control >> 16 & 0xFF)
