"""What the VMM does when translated code calls it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from iced_x86 import Instruction, Mnemonic

from hardware_model.deprivileged import SoftwareInterrupt, SystemCall
from hardware_model.msrs import Msr
from techniques.binary_translation import counts as counted
from techniques.binary_translation.emulation import EMULATIONS
from techniques.binary_translation.unit import Callout, Kind, Unit
from techniques.deprivileged import single_stepping
from techniques.deprivileged.exceptions import invalid_opcode
from techniques.deprivileged.instructions import HANDLERS, ports

if TYPE_CHECKING:
    from techniques.binary_translation.vmm import BinaryTranslation

_BREAKPOINT = 3
_LOAD_TABLES = (Mnemonic.LGDT, Mnemonic.LIDT, Mnemonic.LLDT, Mnemonic.LTR)


class Callouts:
    """Handlers by kind. The guest's registers are its own, RIP on the instruction at hand."""

    def __init__(self, vmm: BinaryTranslation) -> None:
        self._vmm = vmm
        self._counts = vmm.bt_counts
        self._handlers: dict[Kind, Callable[[Callout, Unit | None], None]] = {
            Kind.LINK: self._link,
            Kind.MISS: self._miss,
            Kind.EMULATE: self._emulate,
            Kind.TRACED: self._traced,
            Kind.WINDOW: lambda callout, unit: vmm.after_callout(),
            Kind.FENCED: lambda callout, unit: vmm.after_callout(),
        }

    def handle(self, callout: Callout, unit: Unit | None) -> None:
        """Do what the callout is for."""
        self._counts[counted.CALLOUTS] += 1
        self._counts[counted.BY_KIND[callout.kind]] += 1
        self._handlers[callout.kind](callout, unit)

    def _link(self, callout: Callout, unit: Unit | None) -> None:
        """Find the target's unit, and have the exit lead there from now on."""
        assert callout.exit is not None
        target = self._vmm.unit_or_fault()
        if target is not None and unit is not None and unit.valid:
            self._vmm.cache.link(callout.exit, target)

    def _miss(self, callout: Callout, unit: Unit | None) -> None:
        """Find the target's unit, and have the table lead there from now on."""
        target = self._vmm.unit_or_fault()
        if target is not None:
            self._counts[counted.LOOKUP_FILLED] += 1
            self._vmm.cache.enter_in_table(target)

    def _emulate(self, callout: Callout, unit: Unit | None) -> None:
        assert callout.instruction is not None
        self.emulate(callout.instruction)

    def emulate(self, instruction: Instruction) -> None:
        """Perform an instruction that only the VMM can carry out."""
        vmm = self._vmm
        vmm.tables.refresh()
        vmm.note(_name(instruction))
        vmm.performed_for(lambda: _perform_stepped(vmm, instruction))
        vmm.after_callout()

    def _traced(self, callout: Callout, unit: Unit | None) -> None:
        vmm, instruction = self._vmm, callout.instruction
        assert unit is not None and instruction is not None
        vmm.performed_for(lambda: vmm.adaptation.perform(unit, instruction))
        vmm.after_callout()


@lru_cache(1 << 12)
def _name(instruction: Instruction) -> str:
    return str(instruction).split(" ", 1)[0]


def _perform_stepped(vmm: BinaryTranslation, instruction: Instruction) -> None:
    steps = vmm.machine.registers.single_steps
    perform(vmm, instruction)
    single_stepping.performed(vmm.cpu, instruction, steps=steps)


def perform(vmm: BinaryTranslation, instruction: Instruction) -> None:
    """Carry out an instruction of the guest's kernel; raises the exception that it causes."""
    mnemonic = instruction.mnemonic
    if mnemonic in (Mnemonic.INT, Mnemonic.INT3):
        vector = _BREAKPOINT if mnemonic == Mnemonic.INT3 else instruction.immediate8
        vmm.take(SoftwareInterrupt(vector, instruction.len))
    elif mnemonic == Mnemonic.SYSCALL:
        vmm.take(SystemCall())
    else:
        handler = HANDLERS.get(instruction.code) or EMULATIONS.get(mnemonic)
        if handler is None:
            raise invalid_opcode()
        handler(vmm, instruction)
        if mnemonic == Mnemonic.IRETQ and vmm.cpu.cpl:
            vmm.returns.returned()
        elif mnemonic in _LOAD_TABLES:
            vmm.page.store_tables()
        elif mnemonic == Mnemonic.IN:
            vmm.chipset.was_read(ports.port_of(vmm, instruction, 1))
        elif mnemonic == Mnemonic.INVLPG:
            vmm.frames.check_page(vmm.emulator.linear_address(instruction) >> 12)
        elif mnemonic == Mnemonic.WRMSR:
            _msr_written(vmm, vmm.selected_msr)


def _msr_written(vmm: BinaryTranslation, number: int) -> None:
    if number == Msr.EFER:
        vmm.frames.check_all()
    if number in (Msr.EFER, Msr.STAR):
        vmm.returns.star_loaded()
    elif number == Msr.TSC_AUX:  # RDTSCP is copied
        vmm.machine.processor.write_msr(number, vmm.cpu.msrs[Msr.TSC_AUX])
