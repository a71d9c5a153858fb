"""CLI, STI, CLAC, STAC, HLT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from iced_x86 import Instruction, Mnemonic

from hardware_model.machine import End
from techniques.deprivileged.exceptions import general_protection, invalid_opcode
from techniques.deprivileged.virtual_cpu import AC

if TYPE_CHECKING:
    from techniques.deprivileged.vmm import DeprivilegingVmm


def _require_io_privilege(vmm: DeprivilegingVmm) -> None:
    if vmm.cpu.cpl > vmm.cpu.iopl:
        raise general_protection()


def cli(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """CLI."""
    _require_io_privilege(vmm)
    vmm.cpu.interrupts = False
    vmm.complete(instruction)


def sti(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """STI: holds interrupts off for one more instruction, unless it stands in such a shadow itself.

    The bare processor of the model does so even if IF was set already.
    """
    _require_io_privilege(vmm)
    shadow = not vmm.machine.registers.sti_shadow
    vmm.cpu.interrupts = True
    vmm.complete(instruction)
    vmm.machine.registers.sti_shadow = shadow


def alignment_check(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """CLAC and STAC, which raise #UD outside ring 0."""
    if vmm.cpu.cpl:
        raise invalid_opcode()
    vmm.cpu.load_flags(AC if instruction.mnemonic == Mnemonic.STAC else 0, AC)
    vmm.complete(instruction)


def hlt(vmm: DeprivilegingVmm, instruction: Instruction) -> None:
    """HLT: idle until a virtual interrupt is to be delivered."""
    vmm.require_kernel()
    vmm.complete(instruction)
    if vmm.virtual.apic.deliverable:
        return
    if not vmm.cpu.interrupts or not vmm.virtual.wait():
        vmm.machine.end(End.HALTED)
