"""MOV to and from control and debug registers, CLTS, LMSW."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Instruction, OpKind, Register

from hardware_model.cpu import control_registers
from hardware_model.cpu.general_registers import read_gpr, write_gpr
from techniques.deprivileged.exceptions import general_protection, invalid_opcode

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

_TS = 1 << 3
_MSW, _PE = 0xF, 1
_HIGHEST_TASK_PRIORITY = 15
_CR4_DE = 1 << 3
_NUMBERS = {Register.CR0: 0, Register.CR2: 2, Register.CR3: 3, Register.CR4: 4, Register.CR8: 8}
_DEBUG = {getattr(Register, f"DR{number}"): number for number in range(8)}


def mov(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """MOV between a general register and a control or debug register."""
    vmm.require_kernel()
    target, source = instruction.op0_register, instruction.op1_register
    if target in _DEBUG or source in _DEBUG:
        _move_debug(vmm, target, source)
    elif target in _NUMBERS:
        _write(vmm, _NUMBERS[target], read_gpr(vmm.machine.registers, source))
    elif source in _NUMBERS:
        write_gpr(vmm.machine.registers, target, _read(vmm, _NUMBERS[source]))
    else:
        raise invalid_opcode()  # a control register that does not exist
    vmm.complete(instruction)


def _read(vmm: DeprivilegingVmm, number: int) -> int:
    return vmm.virtual.apic.task_priority >> 4 if number == 8 else vmm.cpu.cr(number)


def _write(vmm: DeprivilegingVmm, number: int, value: int) -> None:
    if number == 8:
        if value > _HIGHEST_TASK_PRIORITY:
            raise general_protection()
        vmm.virtual.apic.task_priority = value << 4
    elif number == 2:
        vmm.cpu.control[2] = value
    elif not control_registers.valid(number, value, vmm.cpu):
        raise general_protection()
    else:
        vmm.write_cr(number, value)


def _move_debug(vmm: DeprivilegingVmm, target: int, source: int) -> None:
    """DR4 and DR5 are DR6 and DR7 unless CR4.DE is set (SDM vol. 3B section 17.2.2)."""
    number = _DEBUG[target] if target in _DEBUG else _DEBUG[source]
    if number in (4, 5):
        if vmm.cpu.cr(4) & _CR4_DE:
            raise invalid_opcode()
        number += 2
    if target in _DEBUG:
        vmm.write_dr(number, read_gpr(vmm.machine.registers, source))
    else:
        write_gpr(vmm.machine.registers, target, vmm.cpu.debug[number])


def clts(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """CLTS."""
    vmm.require_kernel()
    vmm.write_cr(0, vmm.cpu.cr(0) & ~_TS)
    vmm.complete(instruction)


def lmsw(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """LMSW: CR0 bits 3:0; it cannot clear PE."""
    vmm.require_kernel()
    if instruction.op0_kind == OpKind.MEMORY:
        value = vmm.read_operand(instruction, 2)
    else:
        value = read_gpr(vmm.machine.registers, instruction.op0_register)
    old = vmm.cpu.cr(0)
    vmm.write_cr(0, old & ~_MSW | value & _MSW | old & _PE)
    vmm.complete(instruction)
