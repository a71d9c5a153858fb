"""Transfers of control between segments and rings, emulated: IRET, far RET, JMP and CALL, SYSCALL, SYSRET.

Intel SDM vol. 2A and 2B (the instructions' operation sections) with the guest's own privilege level.
"""

from __future__ import annotations

from hardware_model.executor.registers import Registers
from hardware_model.msrs import Efer, Msr
from techniques.deprivileged.descriptor_mirror import CODE, CONFORMING, PRESENT, SYSTEM_BIT
from techniques.deprivileged.exceptions import (
    NOT_PRESENT,
    GuestException,
    general_protection,
    invalid_opcode,
)
from techniques.deprivileged.linear_memory import LinearMemory
from techniques.deprivileged.rings import Rings
from techniques.deprivileged.segmentation import (
    LONG,
    Descriptor,
    Segmentation,
    is_writable_data,
)
from techniques.deprivileged.virtual_cpu import AC, IF, IOPL, NT, RF, TF, VM, VirtualCpu
from techniques.technique import GuestError

_RSP = 4
_RCX, _R11 = 1, 11
_SCE = int(Efer.SCE)
_ARITHMETIC, _ID = 0xCD5, 1 << 21
_LOADED_BY_SYSRET = 0x3C7FD7
_KERNEL_CODE, _KERNEL_DATA = 0x00AF9B00, 0x00CF9300
_USER_CODE, _USER_DATA = 0x00AFFB00, 0x00CFF300
_MASK = (1 << 64) - 1


class Transfers:
    """Far transfers for the guest."""

    def __init__(
        self,
        registers: Registers,
        cpu: VirtualCpu,
        memory: LinearMemory,
        segmentation: Segmentation,
        rings: Rings,
    ) -> None:
        self._registers = registers
        self._cpu = cpu
        self._memory = memory
        self._segmentation = segmentation
        self._rings = rings

    def _pop(self, count: int, size: int) -> list[int]:
        user, ac = self._cpu.cpl == 3, bool(self._registers.rflags & AC)
        rsp = int(self._registers.gpr[_RSP])
        raw = self._memory.read(rsp, count * size, user=user, ac=ac, stack=True)
        return [int.from_bytes(raw[at : at + size], "little") for at in range(0, len(raw), size)]

    def interrupt_return(self, size: int) -> None:
        """IRET in 64-bit mode with operands of `size` bytes: always pops RSP and SS; #GP(0) with NT set."""
        if self._registers.nested_task:
            raise general_protection()
        rip, cs, flags, rsp, ss = self._pop(5, size)
        cpl = self._cpu.cpl
        code = self._return_target(cs & 0xFFFF)
        self._check_stack(ss & 0xFFFF, cs & 3)
        mask = _ARITHMETIC | TF | AC | _ID | RF | NT
        mask |= IOPL if cpl == 0 else 0
        mask |= IF if cpl <= self._cpu.iopl else 0
        self._return(code, cs & 0xFFFF, rip)
        self._load_stack(ss & 0xFFFF, cs & 3, rsp)
        self._leave(cpl, cs & 3)
        self._cpu.load_flags(flags, mask if size > 2 else mask & 0xFFFF)

    def far_return(self, size: int, released: int) -> None:
        """RET far, dropping `released` more bytes."""
        rip, cs = self._pop(2, size)
        cpl, ring = self._cpu.cpl, cs & 3
        code = self._return_target(cs & 0xFFFF)
        rsp = int(self._registers.gpr[_RSP]) + 2 * size + released
        if ring > cpl:
            self._registers.gpr[_RSP], inner = rsp & _MASK, int(self._registers.gpr[_RSP])
            try:
                outer_rsp, ss = self._pop(2, size)
                self._check_stack(ss & 0xFFFF, ring)
            except GuestException:
                self._registers.gpr[_RSP] = inner
                raise
            self._load_stack(ss & 0xFFFF, ring, outer_rsp + released)
        else:
            self._registers.gpr[_RSP] = rsp & _MASK
        self._return(code, cs & 0xFFFF, rip)
        self._leave(cpl, ring)

    def _return_target(self, selector: int) -> Descriptor:
        if not selector & 0xFFFC:
            raise general_protection()
        found = self._segmentation.descriptor(selector)
        ring, cpl, word = selector & 3, self._cpu.cpl, found.word
        is_code = word & SYSTEM_BIT and word & CODE
        level = found.dpl <= ring if word & CONFORMING else found.dpl == ring
        if not is_code or ring < cpl or not level:
            raise general_protection(selector & 0xFFFC)
        return self._usable(selector, found)

    def _usable(self, selector: int, found: Descriptor) -> Descriptor:
        if not found.word & PRESENT:
            raise GuestException(NOT_PRESENT, selector & 0xFFFC)
        if not found.word & LONG:
            raise GuestError(
                f"the guest enters compatibility mode by selector {selector:#x} at RIP "
                f"{self._registers.rip:#x}, which the VMM does not offer"
            )
        return found

    def _check_stack(self, selector: int, ring: int) -> None:
        """Faults of loading SS on a return to `ring`."""
        if not selector & 0xFFFC:
            if ring == 3:
                raise general_protection()
            return
        found = self._segmentation.descriptor(selector)
        if selector & 3 != ring or not is_writable_data(found.word) or found.dpl != ring:
            raise general_protection(selector & 0xFFFC)
        if not found.word & PRESENT:
            raise GuestException(NOT_PRESENT, selector & 0xFFFC)

    def _load_stack(self, selector: int, ring: int, rsp: int) -> None:
        if selector & 0xFFFC:
            found = self._segmentation.descriptor(selector)
            self._segmentation.load_checked("ss", selector, found)
        else:
            self._segmentation.load_null_stack(ring)
        self._registers.gpr[_RSP] = rsp & _MASK

    def _return(self, code: Descriptor, selector: int, rip: int) -> None:
        self._segmentation.load_checked("cs", selector, code)
        self._registers.rip = rip

    def _leave(self, cpl: int, ring: int) -> None:
        self._rings.enter(ring)
        if ring > cpl:
            self._segmentation.drop_inner(ring)

    def far_jump(self, selector: int, target: int) -> None:
        """JMP far, or what is left of CALL far once it has pushed."""
        code = self._direct_target(selector)
        self._return(code, selector & ~3 | self._cpu.cpl, target)

    def far_call(self, selector: int, target: int, size: int, following: int) -> None:
        """CALL far with operands of `size` bytes; the return address is `following`."""
        self._direct_target(selector)
        frame = b"".join(
            (value & (1 << 8 * size) - 1).to_bytes(size, "little")
            for value in (following, self._cpu.selector("cs"))
        )
        rsp = (int(self._registers.gpr[_RSP]) - 2 * size) & _MASK
        ac = bool(self._registers.rflags & AC)
        self._memory.write(rsp, frame, user=self._cpu.cpl == 3, ac=ac, stack=True)
        self._registers.gpr[_RSP] = rsp
        self.far_jump(selector, target)

    def _direct_target(self, selector: int) -> Descriptor:
        if not selector & 0xFFFC:
            raise general_protection()
        found = self._segmentation.descriptor(selector)
        word, cpl = found.word, self._cpu.cpl
        if found.system_type == 12:
            raise GuestError(
                f"the guest uses a call gate at RIP {self._registers.rip:#x}, which the VMM does not offer"
            )
        level = found.dpl <= cpl if word & CONFORMING else selector & 3 <= cpl == found.dpl
        if not (word & SYSTEM_BIT and word & CODE) or not level:
            raise general_protection(selector & 0xFFFC)
        return self._usable(selector, found)

    def system_call(self) -> None:
        """SYSCALL at RIP, to the guest's own LSTAR."""
        cpu, msrs = self._cpu, self._cpu.msrs
        if not cpu.efer & _SCE:
            raise invalid_opcode()
        gpr = self._registers.gpr
        flags = cpu.rflags
        gpr[_RCX], gpr[_R11] = self._registers.rip + 2, flags
        cpu.load_flags(0, msrs[Msr.FMASK] | RF)
        selector = msrs[Msr.STAR] >> 32 & 0xFFFC
        self._segmentation.load_fixed("cs", selector, _KERNEL_CODE)
        self._segmentation.load_fixed("ss", selector + 8, _KERNEL_DATA)
        self._rings.enter(0)
        self._registers.rip = msrs[Msr.LSTAR]

    def system_return(self, *, to_64_bit: bool) -> None:
        """SYSRET; #UD if EFER.SCE is clear, #GP(0) outside ring 0."""
        cpu, gpr = self._cpu, self._registers.gpr
        if not cpu.efer & _SCE:
            raise invalid_opcode()
        if cpu.cpl:
            raise general_protection()
        if not to_64_bit:
            raise GuestError(
                f"the guest enters compatibility mode by SYSRET at RIP {self._registers.rip:#x}, "
                "which the VMM does not offer"
            )
        selector = cpu.msrs[Msr.STAR] >> 48
        self._segmentation.load_fixed("cs", selector + 16 | 3, _USER_CODE)
        self._segmentation.load_fixed("ss", selector + 8 | 3, _USER_DATA)
        target, flags = int(gpr[_RCX]), int(gpr[_R11])
        self._rings.enter(3)
        cpu.load_flags(flags & _LOADED_BY_SYSRET, _LOADED_BY_SYSRET | VM | RF)
        self._registers.rip = target
