"""Reading and clearing fault records."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_model import counters as counter_table
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.fault_recording import IS_READ
from hardware_model.vtd.registers import FRI_SHIFT, RECORD_BYTES, FaultStatus, Register
from techniques.assignment.remapping_registers import RemappingRegisters

_HANDLED = counter_table.index("iommu.fault_handled")
_FIRST_INTERRUPT_REASON = 0x20


@dataclass(frozen=True, slots=True)
class Fault:
    """One record: the requester, why it was blocked, the page address (of DMA) or the index (of an interrupt)."""

    source_id: int
    reason: FaultReason
    where: int
    read: bool

    def __str__(self) -> str:
        bus, device, function = self.source_id >> 8, self.source_id >> 3 & 31, self.source_id & 7
        what = (
            f"interrupt request with index {self.where}"
            if self.reason >= _FIRST_INTERRUPT_REASON
            else f"DMA {'read' if self.read else 'write'} at {self.where:#x}"
        )
        return f"{bus:02x}:{device:02x}.{function} {what}: {self.reason.doc} (reason {self.reason:#04x})"


def read_and_clear(
    registers: RemappingRegisters, counters: counter_table.CounterArray
) -> list[Fault]:
    """The pending faults, oldest first; overflow is cleared as well."""
    found = []
    while (status := registers.read(Register.FSTS)) & FaultStatus.PPF:
        at = Register.FRCD + RECORD_BYTES * (status >> FRI_SHIFT & 0xFF)
        low, high = registers.read(at, 8), registers.read(at + 8, 8)
        reason = FaultReason(high >> 32 & 0xFF)
        where = low >> 48 if reason >= _FIRST_INTERRUPT_REASON else low & ~0xFFF
        found.append(Fault(high & 0xFFFF, reason, where, bool(high & IS_READ)))
        registers.write(at + 12, 1 << 31)
        counters[_HANDLED] += 1
    registers.write(Register.FSTS, FaultStatus.PFO)
    return found
