"""RDMSR, WRMSR, SWAPGS, RDTSC, RDTSCP, RDPMC, INVLPG, INVD, WBINVD, and what this processor lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Instruction

from hardware_model.msrs import Msr
from techniques.deprivileged.exceptions import general_protection, invalid_opcode

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm

_RAX, _RCX, _RDX = 0, 1, 2
_LOW = 0xFFFFFFFF
_CR4_TSD = 1 << 2


def rdmsr(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """RDMSR."""
    vmm.require_kernel()
    gpr = vmm.machine.registers.gpr
    value = vmm.cpu.msrs.read(int(gpr[_RCX]) & _LOW)
    if value is None:
        raise general_protection()
    gpr[_RAX], gpr[_RDX] = value & _LOW, value >> 32
    vmm.complete(instruction)


def wrmsr(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """WRMSR."""
    vmm.require_kernel()
    gpr = vmm.machine.registers.gpr
    number = int(gpr[_RCX]) & _LOW
    value = (int(gpr[_RDX]) & _LOW) << 32 | int(gpr[_RAX]) & _LOW
    if not vmm.cpu.msrs.write(number, value):
        raise general_protection()
    if number == Msr.EFER:
        vmm.shadow.efer_written()
    vmm.complete(instruction)


def swapgs(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """SWAPGS."""
    vmm.require_kernel()
    vmm.cpu.msrs.swap_gs()
    vmm.complete(instruction)


def _time_stamp(vmm: DeprivilegingVmm) -> None:
    if vmm.cpu.cpl and vmm.cpu.cr(4) & _CR4_TSD:
        raise general_protection()
    now = vmm.cpu.msrs.read(Msr.TIME_STAMP_COUNTER) or 0
    gpr = vmm.machine.registers.gpr
    gpr[_RAX], gpr[_RDX] = now & _LOW, now >> 32


def rdtsc(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """RDTSC: virtual time."""
    _time_stamp(vmm)
    vmm.complete(instruction)


def rdtscp(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """RDTSCP: virtual time, and the guest's TSC_AUX."""
    _time_stamp(vmm)
    vmm.machine.registers.gpr[_RCX] = vmm.cpu.msrs[Msr.TSC_AUX]
    vmm.complete(instruction)


def invlpg(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """INVLPG."""
    vmm.require_kernel()
    vmm.shadow.pager.on_invlpg(vmm.emulator.linear_address(instruction))
    vmm.complete(instruction)


def no_caches(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """INVD and WBINVD: no data caches are modelled."""
    vmm.require_kernel()
    vmm.complete(instruction)


def no_counters(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """RDPMC: there are no performance counters to read."""
    raise general_protection()


def absent(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """An instruction of a feature that CPUID does not advertise."""
    raise invalid_opcode()
