"""The virtual processor: what the guest's registers would hold if it had the machine to itself.

What the processor keeps for the guest as it is (general registers, RIP, arithmetic flags, segments but
for their privilege) stays there; this holds the rest. The ring follows from the real one: a kernel
runs at CPL 1 for its CPL 0, user code at CPL 3.
"""

from __future__ import annotations

from hardware_model.boot import CpuState
from hardware_model.executor.registers import Registers, Segment
from hardware_model.msrs import Msr
from techniques.deprivileged.virtual_msrs import VirtualMsrs

KERNEL_RING = 1
CF, FIXED, TF, IF, IOPL, NT, RF, VM, AC = (
    1, 1 << 1, 1 << 8, 1 << 9, 3 << 12, 1 << 14, 1 << 16, 1 << 17, 1 << 18,
)  # fmt: skip
_IOPL_SHIFT = 12
_NO_SEGMENT = Segment(0, 0, 0, 0)


class VirtualCpu:
    """Control, debug and table registers, interrupt flag and IOPL as the guest set them."""

    def __init__(self, registers: Registers, msrs: VirtualMsrs) -> None:
        self._registers = registers
        self.msrs = msrs
        self.control = {0: 0, 2: 0, 3: 0, 4: 0}
        self.interrupts = False
        self.iopl = 0
        self.gdtr = self.idtr = (0, 0)
        self.ldtr = self.tr = _NO_SEGMENT
        self.debug = [0, 0, 0, 0, 0, 0, 0xFFFF0FF0, 0x400]

    def reset(self, state: CpuState) -> None:
        """Take over the registers that the guest starts with."""
        self.control = {0: state.cr0, 2: 0, 3: state.cr3, 4: state.cr4}
        self.msrs[Msr.EFER] = state.efer
        self.interrupts, self.iopl = bool(state.rflags & IF), 0
        self.gdtr, self.idtr = state.gdtr, state.idtr
        self.ldtr, self.tr = _NO_SEGMENT, Segment(0, 0, 0x67, 0x8B00)

    def cr(self, number: int) -> int:
        """CR0, CR2, CR3 or CR4."""
        return self.control[number]

    @property
    def efer(self) -> int:
        """IA32_EFER."""
        return self.msrs[Msr.EFER]

    @property
    def cpl(self) -> int:
        """Current privilege level: 0 or 3."""
        return 0 if self._registers.cpl == KERNEL_RING else 3

    @property
    def rflags(self) -> int:
        """RFLAGS with the guest's own IF and IOPL."""
        flags = self._registers.rflags & ~(IF | IOPL)
        return flags | (IF if self.interrupts else 0) | self.iopl << _IOPL_SHIFT

    def load_flags(self, value: int, mask: int) -> None:
        """Load the flags in `mask`; the processor keeps IF set and IOPL 0, whatever the guest wants."""
        if mask & IF:
            self.interrupts = bool(value & IF)
        if mask & IOPL:
            self.iopl = value >> _IOPL_SHIFT & 3
        kept = self._registers.rflags & ~mask
        self._registers.rflags = (kept | value & mask) & ~IOPL | IF | FIXED

    def selector(self, name: str) -> int:
        """A segment register's selector; CS and SS of the kernel have RPL 0."""
        value = self._registers.selector(name)
        return value & ~3 if name in ("cs", "ss") and not self.cpl else value
