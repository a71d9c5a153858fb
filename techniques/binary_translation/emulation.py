"""Sensitive instructions that do not trap below CPL 0: the VMM performs them at a callout.

Each shows the guest what it would see at CPL 0 (Intel SDM vol. 2, operation sections).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from iced_x86 import Instruction, Mnemonic, OpKind, Register, RegisterExt

from hardware_model.cpu.device_access import read_gpr, write_gpr
from techniques.deprivileged.descriptor_mirror import CODE, CONFORMING, SYSTEM_BIT
from techniques.deprivileged.exceptions import PAGE_FAULT, GuestException
from techniques.deprivileged.segmentation import READABLE, WRITABLE, Descriptor
from techniques.deprivileged.virtual_cpu import AC, IF, IOPL, RF, VM

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

Handler = Callable[["DeprivilegingVmm", Instruction], None]
_ZF = 1 << 6
_NULL = 0xFFFC
_ALL_FLAGS = 0x3F7FD5
_LAR_SYSTEM = frozenset({1, 2, 3, 4, 5, 9, 11, 12})
_LSL_SYSTEM = frozenset({1, 2, 3, 9, 11})
_LAR_MASK, _LIMIT_MASK = 0x00F0FF00, 0xFFFFFFFF


def _store(vmm: DeprivilegingVmm, instruction: Instruction, value: int, memory_bytes: int) -> None:
    """The result of SMSW, SLDT or STR: 16 bits in memory, the whole register otherwise."""
    if instruction.op0_kind == OpKind.REGISTER:
        size = RegisterExt.size(instruction.op0_register)
        write_gpr(vmm.machine.registers, instruction.op0_register, value & (1 << 8 * size) - 1)
        return
    write_operand(vmm, instruction, value.to_bytes(memory_bytes, "little"))


def write_operand(vmm: DeprivilegingVmm, instruction: Instruction, data: bytes) -> None:
    """Store `data` at the instruction's memory operand."""
    address = vmm.emulator.linear_address(instruction)
    ac = bool(vmm.machine.registers.rflags & AC)
    vmm.linear.write(address, data, ac=ac)


def _table(name: str) -> Handler:
    def handler(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
        base, limit = getattr(vmm.cpu, name)
        write_operand(vmm, instruction, limit.to_bytes(2, "little") + base.to_bytes(8, "little"))
        vmm.complete(instruction)

    return handler


def _segment_register(name: str) -> Handler:
    def handler(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
        _store(vmm, instruction, getattr(vmm.cpu, name).selector, 2)
        vmm.complete(instruction)

    return handler


def smsw(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """SMSW."""
    value = vmm.cpu.cr(0)
    _store(
        vmm, instruction, value if instruction.op0_kind == OpKind.REGISTER else value & 0xFFFF, 2
    )
    vmm.complete(instruction)


def move_from_segment(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """MOV m16, CS or SS, where the operand is out of reach of a sequence."""
    name = "cs" if instruction.op1_register == Register.CS else "ss"
    write_operand(vmm, instruction, vmm.cpu.selector(name).to_bytes(2, "little"))
    vmm.complete(instruction)


def _selector(vmm: DeprivilegingVmm, instruction: Instruction, operand: int) -> int:
    if instruction.op_kind(operand) == OpKind.MEMORY:
        return vmm.read_operand(instruction, 2)
    return read_gpr(vmm.machine.registers, instruction.op_register(operand)) & 0xFFFF


def _visible(vmm: DeprivilegingVmm, selector: int, system: frozenset[int]) -> Descriptor | None:
    """The descriptor if CPL and RPL may see it, and if its system type is one of `system`."""
    if not selector & _NULL:
        return None
    try:
        found = vmm.segmentation.descriptor(selector)
    except GuestException as fault:
        if fault.vector == PAGE_FAULT:
            raise
        return None
    kind = found.system_type
    if kind is not None and kind not in system:
        return None
    conforming = kind is None and found.word & CODE and found.word & CONFORMING
    return found if conforming or found.dpl >= max(vmm.cpu.cpl, selector & 3) else None


def _answer(vmm: DeprivilegingVmm, instruction: Instruction, *, zero: bool) -> None:
    flags = vmm.machine.registers.rflags
    vmm.machine.registers.rflags = flags | _ZF if zero else flags & ~_ZF
    vmm.complete(instruction)


def _put(vmm: DeprivilegingVmm, instruction: Instruction, value: int) -> None:
    size = RegisterExt.size(instruction.op0_register)
    write_gpr(vmm.machine.registers, instruction.op0_register, value & (1 << 8 * size) - 1)


def lar(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LAR."""
    found = _visible(vmm, _selector(vmm, instruction, 1), _LAR_SYSTEM)
    if found is not None:
        _put(vmm, instruction, found.word >> 32 & _LAR_MASK)
    _answer(vmm, instruction, zero=found is not None)


def lsl(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LSL."""
    found = _visible(vmm, _selector(vmm, instruction, 1), _LSL_SYSTEM)
    if found is not None:
        _put(vmm, instruction, found.limit & _LIMIT_MASK)
    _answer(vmm, instruction, zero=found is not None)


def _verify(allowed: Callable[[int], bool]) -> Handler:
    def handler(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
        found = _visible(vmm, _selector(vmm, instruction, 0), frozenset())
        good = found is not None and bool(found.word & SYSTEM_BIT) and allowed(found.word)
        _answer(vmm, instruction, zero=good)

    return handler


def _readable(word: int) -> bool:
    return not word & CODE or bool(word & READABLE)


def _writable(word: int) -> bool:
    return not word & CODE and bool(word & WRITABLE)


def push_flags(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """PUSHF with a 16-bit operand."""
    size = -instruction.stack_pointer_increment
    registers = vmm.machine.registers
    stack = int(registers.gpr[4]) - size
    image = (vmm.cpu.rflags & ~(RF | VM)) & (1 << 8 * size) - 1
    vmm.linear.write(stack, image.to_bytes(size, "little"), ac=bool(registers.rflags & AC))
    registers.gpr[4] = stack & (1 << 64) - 1
    vmm.complete(instruction)


def pop_flags(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """POPF that changes TF or IOPL, or has a 16-bit operand."""
    size = instruction.stack_pointer_increment
    value = vmm.read_stack(size)
    mask = _ALL_FLAGS & ~(RF | VM | 0x180000) | IF | IOPL
    vmm.machine.registers.gpr[4] += size
    vmm.cpu.load_flags(value, mask & (1 << 8 * size) - 1)
    vmm.complete(instruction)


EMULATIONS: dict[int, Handler] = {
    Mnemonic.SGDT: _table("gdtr"),
    Mnemonic.SIDT: _table("idtr"),
    Mnemonic.SLDT: _segment_register("ldtr"),
    Mnemonic.STR: _segment_register("tr"),
    Mnemonic.SMSW: smsw,
    Mnemonic.MOV: move_from_segment,
    Mnemonic.LAR: lar,
    Mnemonic.LSL: lsl,
    Mnemonic.VERR: _verify(_readable),
    Mnemonic.VERW: _verify(_writable),
    Mnemonic.PUSHF: push_flags,
    Mnemonic.PUSHFQ: push_flags,
    Mnemonic.POPF: pop_flags,
    Mnemonic.POPFQ: pop_flags,
}
"""Handlers by mnemonic, of what `techniques.deprivileged.instructions` need not emulate."""
