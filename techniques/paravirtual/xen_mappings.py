"""What Xen keeps in its own slots of every guest root: the machine-to-physical table and the descriptor window.

slot 256   0xffff800000000000   M2P: for each machine frame the guest's number of it; the guest may read it
slot 260   0xffff820000000000   GDT: 14 pages of the guest's choice, then Xen's own flat segments; the processor's only
           0xffff820000010000   IDT with the guest's direct gate, if it has one
           0xffff820000011000   TSS: the stack that this gate leads to

A kernel at CPL 1 could read what is the processor's only, but not write it: its pages are read-only.
"""

from __future__ import annotations

import numpy as np

from hardware_model.memory import MachineMemory
from hardware_model.task_state import TaskState
from techniques.frames import FrameAllocator
from techniques.paravirtual import abi
from techniques.paravirtual import page_entries as E

_GUEST_READS = E.PRESENT | E.USER | E.ACCESSED | E.NO_EXECUTE
_XEN_ONLY = E.PRESENT | E.ACCESSED | E.NO_EXECUTE
_TABLE = E.PRESENT | E.WRITABLE | E.USER | E.ACCESSED
_FLAT = {
    abi.FLAT_CODE32: 0x00CFFB000000FFFF,
    abi.FLAT_DATA: 0x00CFF3000000FFFF,
    abi.FLAT_CODE64: 0x00AFFB000000FFFF,
    abi.FLAT_RING1_CODE64: 0x00AFBB000000FFFF,
    abi.FLAT_RING1_DATA: 0x00CFB3000000FFFF,
}
GDT_PAGES = abi.FIRST_RESERVED_GDT_PAGE + 1
IDT = abi.PER_DOMAIN + 16 * abi.PAGE
TSS = abi.PER_DOMAIN + 17 * abi.PAGE
_TRAP_GATE = 0x8F


class XenMappings:
    """Tables and pages in the hypervisor's memory; `root_entries` are the PML4 entries by slot."""

    def __init__(
        self,
        memory: MachineMemory,
        frames: FrameAllocator,
        machine_frames: int,
        *,
        kernel_is_user: bool,
    ) -> None:
        self._memory = memory
        self._frames = frames
        self.root_entries: dict[int, int] = {}
        pages = -(-machine_frames // 512)
        self._m2p = [frames.allocate() for _ in range(pages)]
        for number, page in enumerate(self._m2p):
            memory.write(page, b"\xff" * abi.PAGE)  # INVALID_M2P_ENTRY
            readable = _GUEST_READS if kernel_is_user else _GUEST_READS & ~E.USER
            self._map(abi.M2P + number * abi.PAGE, page | readable)
        self._reserved_gdt = frames.allocate()
        self._empty_gdt = frames.allocate()
        for selector, descriptor in _FLAT.items():
            memory.write64(self._reserved_gdt + (selector & 0xFF8), descriptor)
        self._gdt_entries = [
            self._map(abi.PER_DOMAIN + n * abi.PAGE, self._empty_gdt | _XEN_ONLY)
            for n in range(GDT_PAGES)
        ]
        memory.write64(self._gdt_entries[-1], self._reserved_gdt | _XEN_ONLY)
        self._idt, self._tss = frames.allocate(), frames.allocate()
        self.set_ring1_stack(0)
        self._map(IDT, self._idt | _XEN_ONLY)
        self._map(TSS, self._tss | _XEN_ONLY)

    @property
    def gdtr(self) -> tuple[int, int]:
        """Base and limit of the descriptor table register."""
        return abi.PER_DOMAIN, GDT_PAGES * abi.PAGE - 1

    def set_gdt_frames(self, mfns: list[int]) -> None:
        """Show the guest's frames in the first pages of the descriptor table, nothing in the others below Xen's."""
        for number, at in enumerate(self._gdt_entries[:-1]):
            page = mfns[number] << 12 if number < len(mfns) else self._empty_gdt
            self._memory.write64(at, page | _XEN_ONLY)

    def descriptor(self, selector: int) -> bytes | None:
        """The eight bytes that a selector stands for in the table in use; None beyond its end."""
        page, offset = divmod(selector & 0xFFF8, abi.PAGE)
        if page >= GDT_PAGES:
            return None
        entry = self._memory.read64(self._gdt_entries[page])
        return self._memory.read((entry & E.ADDRESS) + offset, 8)

    def set_gate(self, vector: int, address: int, privilege: int) -> None:
        """A trap gate in the IDT, open to `privilege`, to the guest's `address` at CPL 1."""
        low = address & 0xFFFF | abi.FLAT_RING1_CODE64 << 16 | (address >> 16 & 0xFFFF) << 48
        self._memory.write64(self._idt + 16 * vector, low | (_TRAP_GATE | privilege << 5) << 40)
        self._memory.write64(self._idt + 16 * vector + 8, address >> 32)

    def set_ring1_stack(self, pointer: int) -> None:
        """The stack that a gate to CPL 1 starts on. The task state has no I/O bitmap: no port is the guest's."""
        self._memory.write(self._tss, TaskState(rsp=(0, pointer, 0)).encode())

    def set_m2p(self, mfn: int, pfn: int) -> None:
        """Note the guest's number of a machine frame."""
        self._memory.write64(self._m2p[mfn >> 9] + 8 * (mfn & 511), pfn)

    def set_m2p_range(self, first: int, count: int) -> None:
        """Machine frames from `first` on are the guest's frames 0 to `count`."""
        for start in range(0, count, 512):
            mfn, pfns = first + start, np.arange(start, min(start + 512, count), dtype=np.uint64)
            head = min(len(pfns), 512 - (mfn & 511))
            for at, part in ((mfn, pfns[:head]), (mfn + head, pfns[head:])):
                if len(part):
                    self._memory.write(self._m2p[at >> 9] + 8 * (at & 511), part.tobytes())

    def _map(self, linear: int, entry: int) -> int:
        """Map a page in Xen's slots; returns where its level-1 entry lies."""
        slot = linear >> 39 & 511
        if slot not in self.root_entries:
            self.root_entries[slot] = self._frames.allocate() | _TABLE
        table = self.root_entries[slot] & E.ADDRESS
        for level in (3, 2):
            at = table + (linear >> 12 + 9 * (level - 1) & 511) * 8
            if not self._memory.read64(at):
                self._memory.write64(at, self._frames.allocate() | _TABLE)
            table = self._memory.read64(at) & E.ADDRESS
        at = table + (linear >> 12 & 511) * 8
        self._memory.write64(at, entry)
        return at
