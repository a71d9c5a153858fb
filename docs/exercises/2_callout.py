"""Exercise 2: the guest's kernel executes SWAPGS, which needs CPL 0 and faults at CPL 1.

The translator puts a callout in its place; fill in what the callout does. SWAPGS exchanges the base of GS with the
MSR IA32_KERNEL_GS_BASE and changes nothing else (SDM vol. 2, SWAPGS). The base of GS is the processor's, for the
guest's loads and stores use it; the MSR is the virtual processor's.

You need: `vmm.machine.registers.segment("gs")`, a named tuple with the field `base`, and its counterpart
`set_segment("gs", segment)`; `vmm.cpu.msrs[Msr.KERNEL_GS_BASE]`, to be read and set; and `vmm.complete(instruction)`,
which lets the guest go on behind the instruction.
"""

from __future__ import annotations

from iced_x86 import Instruction

from techniques.deprivileged.vmm import DeprivilegingVmm


def exchange_bases(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """The guest's kernel is at a SWAPGS."""
    raise NotImplementedError("fill me in")
