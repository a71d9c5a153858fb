"""The VMM's own linear addresses inside every address space of its guest.

The processor reads descriptor tables and the TSS by linear address, so a deprivileging VMM must map them
beside the guest. They are supervisor pages, which a kernel at CPL 1 could reach; they are read-only,
and with CR0.WP set the guest cannot change them.

    WINDOW + 00000  GDT   64 KiB
           + 10000  LDT   64 KiB
           + 20000  TSS   one page
           + 21000  IDT   only an address: its gates lead to VMM code, which lies outside the machine
"""

from __future__ import annotations

from itertools import pairwise

from hardware_model.memory import MachineMemory
from hardware_model.mmu.paging import Entry
from hardware_model.task_state import TSS_BYTES, TaskState
from techniques.frames import FrameAllocator

ROOT_INDEX = 271
"""The last of the PML4 entries 256 to 271, which Linux leaves to hypervisors."""

WINDOW = 0xFFFF_0000_0000_0000 | ROOT_INDEX << 39
GDT, LDT, TSS, IDT = WINDOW, WINDOW + 0x10000, WINDOW + 0x20000, WINDOW + 0x21000
TABLE_BYTES = 0x10000
_PAGES = 0x21
_TABLE = int(Entry.P | Entry.RW | Entry.A)
_LEAF = int(Entry.P | Entry.A | Entry.D | Entry.NX)


class VmmWindow:
    """Tables and pages of the window, in frames of the VMM.

    `root_entry` is what every shadow root holds at ROOT_INDEX.
    """

    def __init__(self, memory: MachineMemory, frames: FrameAllocator) -> None:
        self._memory = memory
        self._frames: dict[int, int] = {}
        tables = [self._new(frames) for _ in range(3)]
        for upper, lower in pairwise(tables):
            memory.write64(upper, lower | _TABLE)
        for page in range(_PAGES):
            self._frames[page] = self._new(frames)
            memory.write64(tables[-1] + 8 * page, self._frames[page] | _LEAF)
        self.root_entry = tables[0] | _TABLE
        memory.write(self.machine_address(TSS), TaskState(io_map_base=TSS_BYTES).encode())

    def _new(self, frames: FrameAllocator) -> int:
        frame = frames.allocate()
        self._memory.zero_page(frame)
        return frame

    def machine_address(self, linear: int) -> int:
        """Machine address of a linear address in the window's mapped part."""
        page, offset = divmod(linear - WINDOW, 0x1000)
        return self._frames[page] + offset
