"""Loads of segment registers and far transfers that trap because the VMM moved ring 0 to ring 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Code, Instruction, MemorySize, Mnemonic, OpKind, Register

from hardware_model.cpu.general_registers import read_gpr, write_gpr

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

SEGMENTS = {
    Register.ES: "es", Register.SS: "ss", Register.DS: "ds", Register.FS: "fs", Register.GS: "gs",
}  # fmt: skip
_FAR_LOADS = {Mnemonic.LSS: "ss", Mnemonic.LFS: "fs", Mnemonic.LGS: "gs"}
_RETURN_BYTES = {
    Mnemonic.IRET: 2, Mnemonic.IRETD: 4, Mnemonic.IRETQ: 8,
    Code.RETFQ: 8, Code.RETFD: 4, Code.RETFW: 2,
    Code.RETFQ_IMM16: 8, Code.RETFD_IMM16: 4, Code.RETFW_IMM16: 2,
}  # fmt: skip
_OFFSET_BYTES = {MemorySize.SEG_PTR16: 2, MemorySize.SEG_PTR32: 4, MemorySize.SEG_PTR64: 8}


def mov(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """MOV to a segment register; SS holds interrupts off as STI does."""
    if instruction.op1_kind == OpKind.MEMORY:
        selector = vmm.read_operand(instruction, 2)
    else:
        selector = read_gpr(vmm.machine.registers, instruction.op1_register) & 0xFFFF
    name = SEGMENTS[instruction.op0_register]
    vmm.segmentation.load(name, selector)
    shadow = name == "ss" and not vmm.machine.registers.sti_shadow
    vmm.complete(instruction)
    vmm.machine.registers.sti_shadow = shadow


def pop(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """POP FS and POP GS."""
    size = 2 if instruction.stack_pointer_increment == 2 else 8
    selector = vmm.read_stack(size) & 0xFFFF
    vmm.segmentation.load(SEGMENTS[instruction.op0_register], selector)
    vmm.machine.registers.gpr[4] += size
    vmm.complete(instruction)


def far_load(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LSS, LFS, LGS."""
    offset, selector = _far_pointer(vmm, instruction)
    vmm.segmentation.load(_FAR_LOADS[instruction.mnemonic], selector)
    write_gpr(vmm.machine.registers, instruction.op0_register, offset)
    vmm.complete(instruction)


def _far_pointer(vmm: DeprivilegingVmm, instruction: Instruction) -> tuple[int, int]:
    size = _OFFSET_BYTES[instruction.memory_size]
    value = vmm.read_operand(instruction, size + 2)
    return value & (1 << 8 * size) - 1, value >> 8 * size


def far_jump(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """JMP far."""
    target, selector = _far_pointer(vmm, instruction)
    vmm.transfers.far_jump(selector, target)
    vmm.retire(instruction)


def far_call(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """CALL far."""
    target, selector = _far_pointer(vmm, instruction)
    size = _OFFSET_BYTES[instruction.memory_size]
    vmm.transfers.far_call(selector, target, size, instruction.next_ip)
    vmm.retire(instruction)


def far_return(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """RET far."""
    released = instruction.immediate16 if instruction.op_count else 0
    vmm.transfers.far_return(_RETURN_BYTES[instruction.code], released)
    vmm.retire(instruction)


def iret(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """IRET."""
    vmm.transfers.interrupt_return(_RETURN_BYTES[instruction.mnemonic])
    vmm.retire(instruction)


def sysret(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """SYSRET."""
    vmm.transfers.system_return(to_64_bit=instruction.mnemonic == Mnemonic.SYSRETQ)
    vmm.retire(instruction)
