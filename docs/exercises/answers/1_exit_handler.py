"""Answer 1: CPUID exits."""

from __future__ import annotations

from hardware_model.cpuid import cpuid
from techniques.hvm.vmm import Hvm

_LOW = 0xFFFF_FFFF


def handle_cpuid(vmm: Hvm) -> None:
    """EAX and ECX select the leaf; a 32-bit result clears the upper half of its register."""
    gpr = vmm.machine.registers.gpr
    eax, ebx, ecx, edx = cpuid(int(gpr[0]) & _LOW, int(gpr[1]) & _LOW)
    gpr[0], gpr[1], gpr[2], gpr[3] = eax, ecx, edx, ebx
    vmm.vmx.skip_instruction()
