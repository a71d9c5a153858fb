"""Answer 2: SWAPGS."""

from __future__ import annotations

from iced_x86 import Instruction

from hardware_model.msrs import Msr
from techniques.deprivileged.vmm import DeprivilegingVmm


def exchange_bases(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """The processor gets the base that the MSR held, and the MSR the processor's."""
    registers, msrs = vmm.machine.registers, vmm.cpu.msrs
    segment = registers.segment("gs")
    registers.set_segment("gs", segment._replace(base=msrs[Msr.KERNEL_GS_BASE]))
    msrs[Msr.KERNEL_GS_BASE] = segment.base
    vmm.complete(instruction)
