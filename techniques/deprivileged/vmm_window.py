"""The VMM's own linear addresses inside every address space of its guest.

The processor reads descriptor tables and the TSS by linear address, so a deprivileging VMM must map them
beside the guest. They are supervisor pages, which a kernel at CPL 1 could reach; they are read-only,
and with CR0.WP set the guest cannot change them.

    WINDOW + 00000  GDT   64 KiB
           + 10000  LDT   64 KiB
           + 20000  TSS   one page
           + 21000  IDT   only an address: its gates lead to VMM code, which lies outside the machine
           + 30000  TSS in place of the other, three pages, for a guest that ports are opened to
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hardware_model.memory import MachineMemory
from hardware_model.mmu.paging import Entry
from hardware_model.task_state import IO_MAP_BASE_OFFSET, TSS_BYTES, TaskState
from techniques.frames import FrameAllocator

ROOT_INDEX = 271
"""The last of the PML4 entries 256 to 271, which Linux leaves to hypervisors."""

WINDOW = 0xFFFF_0000_0000_0000 | ROOT_INDEX << 39
GDT, LDT, TSS, IDT = WINDOW, WINDOW + 0x10000, WINDOW + 0x20000, WINDOW + 0x21000
TSS_WITH_PORTS = WINDOW + 0x30000
TABLE_BYTES = 0x10000
PORT_BITMAP_BYTES = 0x2000 + 1  # the processor reads one byte beyond the last port's
_PAGES = 0x21
_TABLE = int(Entry.P | Entry.RW | Entry.A)
_LEAF = int(Entry.P | Entry.A | Entry.D | Entry.NX)


class VmmWindow:
    """Tables and pages of the window, in frames of the VMM.

    `root_entry` is what every shadow root holds at index `slot`: ROOT_INDEX, until the guest maps something there.
    """

    slot = ROOT_INDEX
    on_demand = False  # ports are shown when the kernel wants one, and not whenever it is entered

    def __init__(self, memory: MachineMemory, frames: FrameAllocator) -> None:
        self._memory = memory
        self._allocator = frames
        self._frames: dict[int, int] = {}
        self._open: set[int] = set()
        self.ports_shown = False
        tables = [self._new(frames) for _ in range(3)]
        for upper, lower in pairwise(tables):
            memory.write64(upper, lower | _TABLE)
        self._last_table = tables[-1]
        for page in range(_PAGES):
            self._map(page)
        self.root_entry = tables[0] | _TABLE
        memory.write(self.machine_address(TSS), TaskState(io_map_base=TSS_BYTES).encode())

    def _new(self, frames: FrameAllocator) -> int:
        frame = frames.allocate()
        self._memory.zero_page(frame)
        return frame

    def _map(self, page: int) -> None:
        self._frames[page] = self._new(self._allocator)
        self._memory.write64(self._last_table + 8 * page, self._frames[page] | _LEAF)

    @property
    def task_state(self) -> tuple[int, int]:
        """Base and limit of the TSS."""
        if not self._open:
            return self.at(TSS), TSS_BYTES - 1
        return self.at(TSS_WITH_PORTS), TSS_BYTES + PORT_BITMAP_BYTES - 1

    @property
    def base(self) -> int:
        """Linear address of the window now."""
        upper = 0xFFFF_0000_0000_0000 if self.slot > 255 else 0
        return upper | self.slot << 39

    def at(self, linear: int) -> int:
        """Where what lay at `linear` at first is now."""
        return linear - WINDOW + self.base

    def open_ports(self, ports: Iterable[int]) -> None:
        """Let the guest's kernel reach these ports without a trap, by the TSS's I/O permission bitmap."""
        if not self._open:
            first = TSS_WITH_PORTS - WINDOW >> 12
            for page in range(first, first + 3):
                self._map(page)
        self._open |= set(ports)
        bits = bytearray(b"\xff" * PORT_BITMAP_BYTES)
        for port in self._open:
            bits[port >> 3] &= ~(1 << (port & 7))
        content = TaskState(io_map_base=TSS_BYTES).encode() + bytes(bits)
        for offset in range(0, len(content), 0x1000):
            at = self.machine_address(TSS_WITH_PORTS + offset)
            self._memory.write(at, content[offset : offset + 0x1000])
        self.ports_shown = True

    def show_ports(self, *, in_kernel: bool) -> None:
        """The bitmap is for the guest's kernel: the processor does not tell CPL 1 from CPL 3 in it."""
        if self._open and not (in_kernel and self.on_demand):
            self._show(in_kernel=in_kernel)

    def ports_wanted(self) -> bool:
        """The kernel was refused a port: show it the bitmap. False if it sees it already, or there is none."""
        wanted = bool(self._open) and not self.ports_shown
        if wanted:
            self._show(in_kernel=True)
        return wanted

    def _show(self, *, in_kernel: bool) -> None:
        if self.ports_shown != in_kernel:
            self.ports_shown = in_kernel
            limit = TSS_BYTES + PORT_BITMAP_BYTES - 1
            at = self.machine_address(TSS_WITH_PORTS + IO_MAP_BASE_OFFSET)
            base = TSS_BYTES if in_kernel else limit
            self._memory.write(at, base.to_bytes(2, "little"))

    def machine_address(self, linear: int) -> int:
        """Machine address of what lay at a linear address of the window's mapped part at first."""
        page, offset = divmod(linear - WINDOW, 0x1000)
        return self._frames[page] + offset
