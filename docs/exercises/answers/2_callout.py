"""Answer 2: SMSW."""

from __future__ import annotations

from iced_x86 import Instruction, OpKind, RegisterExt

from hardware_model.cpu.device_access import write_gpr
from techniques.binary_translation.emulation import write_operand
from techniques.deprivileged.vmm import DeprivilegingVmm


def emulate_smsw(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """The guest's CR0, in the width of the operand."""
    value = vmm.cpu.cr(0)
    if instruction.op0_kind == OpKind.REGISTER:
        bits = 8 * RegisterExt.size(instruction.op0_register)
        write_gpr(vmm.machine.registers, instruction.op0_register, value & (1 << bits) - 1)
    else:
        write_operand(vmm, instruction, (value & 0xFFFF).to_bytes(2, "little"))
    vmm.complete(instruction)
