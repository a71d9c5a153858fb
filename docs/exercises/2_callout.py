"""Exercise 2: the guest's kernel executes SMSW, which does not trap at CPL 1 and would show the VMM's CR0.

The translator puts a callout in its place; fill in what the callout does. SMSW stores CR0: to memory its low 16
bits, to a register as many bits as the register has (SDM vol. 2, SMSW).

You need: `vmm.cpu.cr(0)`, the guest's own CR0; `instruction`, decoded by iced-x86; `read_gpr` and `write_gpr` of
`hardware_model.cpu.device_access`; `write_operand` of `techniques.binary_translation.emulation`;
and `vmm.complete(instruction)`, which lets the guest go on behind it.
"""

from __future__ import annotations

from iced_x86 import Instruction

from techniques.deprivileged.vmm import DeprivilegingVmm


def emulate_smsw(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """The guest's kernel is at a SMSW."""
    raise NotImplementedError("fill me in")
