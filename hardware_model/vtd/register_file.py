"""Software's side of the registers: 32- and 64-bit accesses, and what a write sets off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hardware_model.devices.device import State
from hardware_model.vtd.registers import (
    CAPABILITY,
    EXTENDED_CAPABILITY,
    FAULT_RECORDS,
    ONE_SHOT,
    RECORD_BYTES,
    VERSION,
    WIDE,
    GlobalCommand,
    Register,
)

if TYPE_CHECKING:
    from hardware_model.vtd.unit import RemappingUnit

_RECORDS_END = Register.FRCD + FAULT_RECORDS * RECORD_BYTES
_INVALIDATE = 1 << 63  # CCMD.ICC and IOTLB.IVT
_STATES = (
    GlobalCommand.TE
    | GlobalCommand.QIE
    | GlobalCommand.IRE
    | GlobalCommand.CFI
    | GlobalCommand.SRTP
    | GlobalCommand.SIRTP
)


class RegisterFile:
    """The registers by offset; reads of what does not exist give 0, writes to it vanish."""

    def __init__(self, unit: RemappingUnit) -> None:
        self._unit = unit
        self.root_table = self.interrupt_table = 0
        self._status = GlobalCommand(0)
        self._invalidation_address = self._context_command = self._iotlb_command = 0

    def read(self, offset: int, size: int) -> int:
        """Load `size` bytes at `offset`."""
        start = _start(offset)
        return self._value(start) >> 8 * (offset - start) & (1 << 8 * size) - 1

    def write(self, offset: int, size: int, value: int) -> None:
        """Store `size` bytes at `offset`; half of a 64-bit register keeps the other half."""
        start = _start(offset)
        wide = start >= Register.FRCD or start in WIDE
        if wide and size == 4:
            shift = 8 * (offset - start)
            # ones that clear must not be repeated from the half that is not written
            kept = 0 if start >= Register.FRCD else self._value(start) & ~(0xFFFFFFFF << shift)
            value = kept | value << shift
        self._store(start, value)

    def _value(self, start: int) -> int:
        unit = self._unit
        if Register.FRCD <= start < _RECORDS_END:
            return unit.faults.read_record(start - Register.FRCD)
        queue, fault, done = unit.queue, unit.faults.event, unit.queue.completion
        values = {
            Register.VER: VERSION,
            Register.CAP: CAPABILITY,
            Register.ECAP: EXTENDED_CAPABILITY,
            Register.GSTS: int(self._status),
            Register.RTADDR: self.root_table,
            Register.CCMD: self._context_command,
            Register.FSTS: unit.faults.status,
            Register.FECTL: fault.control,
            Register.FEDATA: fault.data,
            Register.FEADDR: fault.address,
            Register.FEUADDR: fault.upper_address,
            Register.IQH: queue.head,
            Register.IQT: queue.tail,
            Register.IQA: queue.address,
            Register.ICS: int(queue.completed),
            Register.IECTL: done.control,
            Register.IEDATA: done.data,
            Register.IEADDR: done.address,
            Register.IEUADDR: done.upper_address,
            Register.IRTA: self.interrupt_table,
            Register.IOTLB: self._iotlb_command,
        }
        values |= unit.protected.values
        return values.get(Register(start), 0) if start in _KNOWN else 0

    def _store(self, start: int, value: int) -> None:
        unit = self._unit
        if Register.FRCD <= start < _RECORDS_END:
            unit.faults.clear_record(start - Register.FRCD, value)
        elif start in unit.protected.values:
            unit.protected.write(Register(start), value)
        elif start in _KNOWN:
            self._store_known(Register(start), value)

    def _store_known(self, register: Register, value: int) -> None:
        queue, faults = self._unit.queue, self._unit.faults
        match register:
            case Register.GCMD:
                self._command(GlobalCommand(value & _STATES))
            case Register.RTADDR:
                self.root_table = value
            case Register.IRTA:
                self.interrupt_table = value
            case Register.FSTS:
                faults.write_status(value)
                queue.run()
            case Register.IQT:
                queue.write_tail(value)
            case Register.IQA:
                queue.address = value
                queue.head = queue.tail = 0
            case Register.ICS:
                queue.write_completion(value)
            case Register.IVA:
                self._invalidation_address = value
            case Register.CCMD:
                self._context_command = self._invalidate_contexts(value)
            case Register.IOTLB:
                self._iotlb_command = self._invalidate_iotlb(value)
            case _:
                self._store_event(register, value)

    def _store_event(self, register: Register, value: int) -> None:
        fault, done = self._unit.faults.event, self._unit.queue.completion
        event = fault if register <= Register.FEUADDR else done
        match register:
            case Register.FECTL | Register.IECTL:
                event.write_control(value)
            case Register.FEDATA | Register.IEDATA:
                event.data = value & 0xFFFF
            case Register.FEADDR | Register.IEADDR:
                event.address = value & ~3
            case Register.FEUADDR | Register.IEUADDR:
                event.upper_address = value

    def _command(self, command: GlobalCommand) -> None:
        change = (self._status ^ command) & ~ONE_SHOT
        # The status of a pointer command stays set once the pointer was latched.
        self._status = command | self._status & ONE_SHOT
        self._unit.command(command, change)

    def _invalidate_contexts(self, value: int) -> int:
        """CCMD: the register-based interface, which works while the queue is off (6.5.1)."""
        if not value & _INVALIDATE or self._unit.queue.enabled:
            return value & ~_INVALIDATE
        asked = value >> 61 & 3
        self._unit.caches.invalidate_contexts(
            asked, value & 0xFFFF, value >> 16 & 0xFFFF, value >> 32 & 3
        )
        return value & ~(_INVALIDATE | 3 << 59) | asked << 59

    def _invalidate_iotlb(self, value: int) -> int:
        """IOTLB_REG, with the address in IVA_REG."""
        if not value & _INVALIDATE or self._unit.queue.enabled:
            return value & ~_INVALIDATE
        asked, address = value >> 60 & 3, self._invalidation_address
        done = self._unit.caches.invalidate_iotlb(
            asked, value >> 32 & 0xFFFF, address & ~0xFFF, address & 0x3F
        )
        return value & ~(_INVALIDATE | 3 << 57) | (asked << 57 if done else 0)

    def save(self) -> State:
        """Registers that only software writes."""
        return {name: value for name, value in vars(self).items() if name != "_unit"}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        vars(self).update(state)


_KNOWN = frozenset(Register)


def _start(offset: int) -> int:
    """Where the register begins that `offset` lies in."""
    if offset >= Register.FRCD:
        return offset & ~7
    return offset - 4 if offset - 4 in WIDE else offset & ~3
