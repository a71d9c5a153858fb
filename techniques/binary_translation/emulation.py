"""Sensitive instructions that do not trap below CPL 0: the VMM performs them at a callout.

Each shows the guest what it would see at CPL 0 (Intel SDM vol. 2, operation sections).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from iced_x86 import Instruction, Mnemonic, OpKind, Register, RegisterExt

from hardware_model.cpu.general_registers import write_gpr
from techniques.deprivileged.virtual_cpu import AC, IF, IOPL, RF, VM

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

Handler = Callable[["DeprivilegingVmm", Instruction], None]
_ALL_FLAGS = 0x3F7FD5


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
    Mnemonic.PUSHF: push_flags,
    Mnemonic.PUSHFQ: push_flags,
    Mnemonic.POPF: pop_flags,
    Mnemonic.POPFQ: pop_flags,
}
"""Handlers by mnemonic, of what `techniques.deprivileged.instructions` need not emulate."""
