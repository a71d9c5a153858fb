"""Exercise 1: CPUID exits. Answer it.

CPUID exits unconditionally in VMX non-root operation (SDM vol. 3C, "Instructions That Cause VM Exits
Unconditionally"). The handler must leave in EAX, EBX, ECX and EDX what the processor would have, and let the guest
go on behind the instruction.

You need: `vmm.machine.registers.gpr`, an array of 64-bit registers in the order RAX RCX RDX RBX ...;
`hardware_model.cpuid.cpuid(leaf, subleaf)`, which gives EAX, EBX, ECX, EDX; and `vmm.vmx.skip_instruction()`.
Which registers does CPUID read, and how many bits of them? What becomes of the upper halves of those it writes?
"""

from __future__ import annotations

from techniques.hvm.vmm import Hvm


def handle_cpuid(vmm: Hvm) -> None:
    """The guest executed CPUID."""
    raise NotImplementedError("fill me in")
