"""A descriptor table of the VMM that mirrors one of the guest's (ring compression).

Code and data descriptors stand at the guest's own indices, those of ring 0 moved to ring 1. System
descriptors (TSS, LDT, call gates) are left out: using one faults and is emulated. While the guest's
kernel runs, code segments that a return could enter in an outer ring are marked not present, so that
IRET and far returns to user code trap and the VMM sees every change of ring and of IF; not so under a
binary translator, which has replaced them all.
"""

from __future__ import annotations

import struct

from hardware_model.memory import MachineMemory
from techniques.deprivileged.vmm_window import TABLE_BYTES

DPL_SHIFT, PRESENT, SYSTEM_BIT = 45, 1 << 47, 1 << 44
CODE, CONFORMING, ACCESSED = 1 << 43, 1 << 42, 1 << 40
_DPL = 3 << DPL_SHIFT


def compressed(descriptor: int) -> int:
    """A descriptor with ring 0 moved to ring 1; 0 for a system descriptor."""
    if not descriptor & SYSTEM_BIT:
        return 0
    return descriptor if descriptor & _DPL else descriptor | 1 << DPL_SHIFT


def leads_outward(descriptor: int) -> bool:
    """Whether a return from ring 1 could enter an outer ring through a (compressed) code segment."""
    if not descriptor & CODE:
        return False
    return bool(descriptor & CONFORMING) or descriptor >> DPL_SHIFT & 3 > 1


class DescriptorMirror:
    """The table at machine address `address`, whose first descriptors mirror the guest's.

    `version` changes with its content.
    """

    def __init__(self, memory: MachineMemory, address: int, *, hide_outward: bool = True) -> None:
        self._memory = memory
        self._address = address
        self._guest = b""
        self._outward: list[tuple[int, int]] = []
        self._hide_outward = hide_outward
        self._in_kernel = True
        self.version = 0

    def update(self, guest: bytes) -> None:
        """Follow the guest's table, whose bytes are now `guest`."""
        if guest == self._guest:
            return
        self.version += 1
        words = _mirrored(guest)
        cleared = max(len(self._guest) - len(guest), 0) // 8
        self._guest = guest
        self._outward = [
            (self._address + 8 * at, word)
            for at, word in enumerate(words)
            if self._hide_outward and leads_outward(word)
        ]
        self._memory.write(
            self._address, struct.pack(f"<{len(words)}Q", *words) + bytes(8 * cleared)
        )
        if self._in_kernel:
            self._show_outward(present=False)

    def set_ring(self, *, in_kernel: bool) -> None:
        """The guest enters or leaves its kernel."""
        if in_kernel != self._in_kernel:
            self._in_kernel = in_kernel
            self._show_outward(present=not in_kernel)

    def _show_outward(self, *, present: bool) -> None:
        for address, descriptor in self._outward:
            self._memory.write64(address, descriptor if present else descriptor & ~PRESENT)

    def descriptors(self, index: int) -> tuple[int, int]:
        """The guest's descriptor at `index`, 0 beyond its table, and the VMM's."""
        guest = int.from_bytes(self._guest[8 * index : 8 * index + 8], "little")
        return guest, self._memory.read64(self._address + 8 * index)

    def write(self, index: int, data: bytes) -> None:
        """Put descriptors of the VMM itself at `index`."""
        self._memory.write(self._address + 8 * index, data)


def _mirrored(guest: bytes) -> list[int]:
    """The second half of a system descriptor reads as a system descriptor too: bits 63:32 are 0."""
    count = min(len(guest), TABLE_BYTES) // 8
    return [compressed(word) for word in struct.unpack(f"<{count}Q", guest[: 8 * count])]
