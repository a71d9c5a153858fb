"""GDT, LDT, TSS and IDT of the processor while a deprivileged guest runs: the VMM's, never the guest's.

The VMM's own descriptors stand at the end of the GDT, where no guest of reasonable size has any:

    FFC0 code of ring 0    FFC8 data of ring 0    FFD0 TSS    FFE0 LDT
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.descriptors import SegmentDescriptor, SystemType, code64, data, tss_descriptor
from hardware_model.executor.registers import Registers, Segment
from hardware_model.memory import MachineMemory
from techniques.deprivileged import vmm_window as window
from techniques.deprivileged.descriptor_mirror import ACCESSED, SYSTEM_BIT, DescriptorMirror
from techniques.deprivileged.linear_memory import LinearMemory
from techniques.deprivileged.virtual_cpu import VirtualCpu
from techniques.deprivileged.vmm_window import VmmWindow
from techniques.guest import GuestMemory
from techniques.technique import GuestError

VMM_CODE, VMM_DATA, VMM_TSS, VMM_LDT = 0xFFC0, 0xFFC8, 0xFFD0, 0xFFE0
_GDT_LIMIT, _IDT_LIMIT, _LDT_LIMIT = 0xFFEF, 0xFFF, 0xFFFF
_BUSY_TSS, _LDT_FLAGS = 0x8B00, 0x8200
Translate = Callable[[int], int | None]
Piece = tuple[int | None, int]
"""Guest-physical address (None where nothing is mapped) and bytes of one page's part of a table."""


class DescriptorTables:
    """The VMM's tables, kept like the guest's. `translate` maps linear to guest-physical addresses.

    The guest's tables are compared with their mirrors whenever its kernel traps; a kernel that
    changes a descriptor and uses it before its next trap finds the old one.
    """

    def __init__(
        self,
        memory: MachineMemory,
        guest: GuestMemory,
        own: VmmWindow,
        cpu: VirtualCpu,
        translate: Translate,
        *,
        hide_outward: bool,
    ) -> None:
        self._guest = guest
        self._own = own
        self._cpu = cpu
        self._translate = translate
        self._gdt, self._ldt = (
            DescriptorMirror(memory, own.machine_address(table), hide_outward=hide_outward)
            for table in (window.GDT, window.LDT)
        )
        self._located = 0
        self.are_closed = False
        self._places: list[tuple[DescriptorMirror, list[Piece]]] = []
        self._gdt.write(VMM_CODE >> 3, code64().encode() + data().encode())

    def load(self, registers: Registers) -> None:
        """LGDT, LIDT, LLDT and LTR of the VMM's own tables."""
        base, limit = self._own.task_state
        self._gdt.write(VMM_TSS >> 3, tss_descriptor(base, limit, busy=True).encode())
        local = self._own.at(window.LDT)
        ldt = SegmentDescriptor(local, _LDT_LIMIT, SystemType.LDT, system=True)
        self._gdt.write(VMM_LDT >> 3, ldt.encode())
        self._located += 1
        registers.set_table("gdtr", self._own.at(window.GDT), _GDT_LIMIT)
        registers.set_table("idtr", self._own.at(window.IDT), _IDT_LIMIT)
        registers.set_segment("tr", Segment(VMM_TSS, base, limit, _BUSY_TSS))
        registers.set_segment("ldtr", Segment(VMM_LDT, local, _LDT_LIMIT, _LDT_FLAGS))

    def locate(self) -> None:
        """The guest loaded GDTR, LDTR or CR3: find its tables in guest-physical memory."""
        base, limit = self._cpu.gdtr
        if limit >= VMM_CODE:
            raise GuestError(
                f"the guest's GDT has a limit of {limit:#x}; descriptors from {VMM_CODE:#x} on "
                "belong to the VMM"
            )
        self._located += 1
        ldtr = self._cpu.ldtr
        self._places = [
            (self._gdt, self._pieces(base, limit + 1)),
            (self._ldt, self._pieces(ldtr.base, min(ldtr.limit + 1, _LDT_LIMIT + 1))),
        ]
        for mirror, pieces in self._places:
            if not pieces:
                mirror.update(b"")
        self._places = [(mirror, pieces) for mirror, pieces in self._places if pieces]
        self.refresh()

    def _pieces(self, linear: int, size: int) -> list[Piece]:
        pieces: list[Piece] = []
        while size > 1:
            part = min(size, 0x1000 - linear % 0x1000)
            gpa = self._translate(linear)
            pieces.append((gpa if gpa is not None and gpa < self._guest.size else None, part))
            linear, size = linear + part, size - part
        return pieces

    def refresh(self) -> None:
        """Follow the guest's tables."""
        read = self._guest.read
        for mirror, pieces in self._places:
            at, size = pieces[0]
            if at is not None and len(pieces) == 1:
                mirror.update(read(at, size))
                continue
            mirror.update(b"".join([bytes(n) if at is None else read(at, n) for at, n in pieces]))

    @property
    def version(self) -> int:
        """Changes when the guest's GDT may be elsewhere or has other descriptors than before."""
        return self._located + self._gdt.version

    def guest_descriptor(self, selector: int) -> int:
        """The guest's descriptor of a selector of its GDT, as of the last refresh."""
        return self._gdt.descriptors(selector >> 3)[0]

    def own_descriptor(self, selector: int) -> int:
        """The descriptor that the processor has for a selector of the GDT."""
        return self._gdt.descriptors(selector >> 3)[1]

    @property
    def ports_shown(self) -> bool:
        """Whether the TSS lets through accesses to the ports that are open to the guest's kernel."""
        return self._own.ports_shown

    def set_ring(self, *, in_kernel: bool) -> None:
        """The guest enters or leaves its kernel."""
        self._gdt.set_ring(in_kernel=in_kernel)
        self._ldt.set_ring(in_kernel=in_kernel)
        self._own.show_ports(in_kernel=in_kernel)

    def mark_accessed(self, address: int, memory: LinearMemory) -> bool:
        """Loading a segment tried to set its descriptor's accessed flag at window `address`.

        False if the address is not in a descriptor that could be meant, or if the tables `are_closed`: then the
        guest's own access went there.
        """
        if self.are_closed:
            return False
        address += window.WINDOW - self._own.base
        if window.GDT <= address < window.GDT + VMM_CODE:
            offset, (base, limit) = address - window.GDT & ~7, self._cpu.gdtr
        elif window.LDT <= address < window.LDT + window.TABLE_BYTES:
            offset, base, limit = (
                address - window.LDT & ~7,
                self._cpu.ldtr.base,
                self._cpu.ldtr.limit,
            )
        else:
            return False
        if offset + 7 > limit:
            return False
        start = base + offset
        descriptor = memory.read_integer(start, 8)
        if not descriptor & SYSTEM_BIT or descriptor & ACCESSED:
            return False
        memory.write(start, (descriptor | ACCESSED).to_bytes(8, "little"))
        self.refresh()
        return True
