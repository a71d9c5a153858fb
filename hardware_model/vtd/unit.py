"""The remapping unit: its registers at 0xFED90000, and the path of every device's DMA and interrupts.

After reset nothing is remapped: requests reach memory and local APICs as they would without the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hardware_model import counters as counter_table
from hardware_model.devices.device import State, Untimed
from hardware_model.devices.dma import DmaBlocked
from hardware_model.memory import MachineMemory
from hardware_model.vtd.dma_remapping import DmaRemapping
from hardware_model.vtd.fault_reasons import FaultReason, RemappingFault
from hardware_model.vtd.fault_recording import FaultLog
from hardware_model.vtd.interrupt_remapping import (
    INTERRUPT_BASE,
    INTERRUPT_END,
    InterruptRemapping,
    TablePointer,
    index_of,
)
from hardware_model.vtd.invalidation import Caches
from hardware_model.vtd.invalidation_queue import InvalidationQueue
from hardware_model.vtd.protected_memory import ProtectedRegions
from hardware_model.vtd.register_file import RegisterFile
from hardware_model.vtd.registers import GlobalCommand
from hardware_model.vtd.tables import PAGE

BASE, SIZE = 0xFED90000, 0x1000
_BLOCKED, _FAULTS = counter_table.index("vtd.blocked"), counter_table.index("vtd.fault")
_LOST, _PROTECTED = (
    counter_table.index("vtd.fault.lost"),
    counter_table.index("vtd.blocked.protected_region"),
)
_SILENT, _EVENTS = counter_table.index("vtd.fault.disabled"), counter_table.index("vtd.event")
_REASONS = {
    reason: counter_table.index(f"vtd.fault.{reason.name.lower()}") for reason in FaultReason
}


class RemappingUnit(Untimed):
    """A `DmaPath` for all devices, and a register device; `deliver(destination, vector)` reaches the local APICs."""

    def __init__(
        self,
        memory: MachineMemory,
        counters: counter_table.CounterArray,
        deliver: Callable[[int, int], None],
    ) -> None:
        self._memory, self._counters = memory, counters
        self.caches = Caches(counters)
        self.faults = FaultLog(self._send)
        self.queue = InvalidationQueue(memory, counters, self.caches, self.faults, self._send)
        self.dma = DmaRemapping(memory, counters, self.caches)
        self.interrupts = InterruptRemapping(memory, counters, self.caches.interrupts, deliver)
        self.protected = ProtectedRegions()
        self.translating = False
        self._registers = RegisterFile(self)

    def _send(self, address: int, data: int) -> None:
        self._counters[_EVENTS] += 1
        self.interrupts.pass_on(address, data)

    def read(self, source_id: int, address: int, size: int) -> bytes:
        """`size` bytes for a device, zero of them for a zero-length read; DmaBlocked if any may not be read."""
        parts = [
            self._memory.read(place, length)
            for place, length in self._places(source_id, address, size, write=False)
        ]
        return b"".join(parts)

    def write(self, source_id: int, address: int, data: bytes) -> None:
        """Store for a device, page by page; DmaBlocked at the first byte that may not be written.

        Four bytes to an address 0xFEExxxxx are an interrupt request.
        """
        if INTERRUPT_BASE <= address < INTERRUPT_END and len(data) == 4:
            self.message(source_id, address, int.from_bytes(data, "little"))
            return
        done = 0
        for place, length in self._places(source_id, address, len(data), write=True):
            self._memory.write(place, data[done : done + length])
            done += length

    def message(self, source_id: int, address: int, data: int) -> None:
        """An interrupt request; DmaBlocked if it is not let through."""
        try:
            self.interrupts.message(source_id, address, data)
        except RemappingFault as fault:
            information = index_of(address, data) << 48
            self._fault(source_id, information, fault, read=False)
            raise DmaBlocked(fault.reason.doc) from fault

    def _places(
        self, source_id: int, address: int, size: int, *, write: bool
    ) -> Iterator[tuple[int, int]]:
        """Machine address and length of each page's part of a request."""
        end = address + size
        while True:
            length = min(end, (address | PAGE - 1) + 1) - address
            yield self._place(source_id, address, length, write), length
            address += length
            if address >= end:
                return

    def _place(self, source_id: int, address: int, length: int, write: bool) -> int:
        place = address
        if INTERRUPT_BASE <= address < INTERRUPT_END:
            reason = FaultReason.WRITE_DENIED if write else FaultReason.READ_DENIED
            raise self._blocked(source_id, address, RemappingFault(reason), write)
        if self.translating:
            try:
                place = self.dma.translate(source_id, address, write=write, empty=not length)
            except RemappingFault as fault:
                raise self._blocked(source_id, address, fault, write) from fault
        if self.protected.hit(place, length):
            self._counters[_PROTECTED] += 1
            self._counters[_BLOCKED] += 1
            raise DmaBlocked(f"machine address {place:#x} lies in a protected region")
        if place + length > self._memory.size:
            raise DmaBlocked(f"there is no memory at machine address {place:#x}")
        return place

    def _blocked(
        self, source_id: int, address: int, fault: RemappingFault, write: bool
    ) -> DmaBlocked:
        if self.translating:
            self._fault(source_id, address & ~(PAGE - 1), fault, read=not write)
        kind = "write to" if write else "read from"
        return DmaBlocked(f"{kind} {address:#x} by {source_id:#06x}: {fault.reason.doc}")

    def _fault(
        self, source_id: int, information: int, fault: RemappingFault, *, read: bool
    ) -> None:
        self._counters[_BLOCKED] += 1
        self._counters[_REASONS[fault.reason]] += 1
        if not fault.recorded:
            self._counters[_SILENT] += 1
        elif self.faults.record(source_id, information, fault.reason, read=read):
            self._counters[_FAULTS] += 1
        else:
            self._counters[_LOST] += 1

    def command(self, command: GlobalCommand, change: GlobalCommand) -> None:
        """Carry out the bits of GCMD that software changed or that act at once (11.4.4)."""
        if command & GlobalCommand.SRTP:
            self.dma.root = self._registers.root_table & ~0xFFF
        if command & GlobalCommand.SIRTP:
            self.interrupts.table = TablePointer.of(self._registers.interrupt_table)
        self.translating = bool(command & GlobalCommand.TE)
        self.interrupts.enabled = bool(command & GlobalCommand.IRE)
        self.interrupts.compatibility = bool(command & GlobalCommand.CFI)
        if change & GlobalCommand.QIE:
            self.queue.enable(bool(command & GlobalCommand.QIE))

    def read_register(self, offset: int, size: int) -> int:
        """Load from a register: 4 or 8 bytes."""
        return self._registers.read(offset, size)

    def write_register(self, offset: int, size: int, value: int) -> None:
        """Store to a register: 4 or 8 bytes."""
        self._registers.write(offset, size, value)

    def save(self) -> State:
        """Registers and caches."""
        return {
            "registers": self._registers.save(),
            "faults": self.faults.save(),
            "queue": self.queue.save(),
            "protected": dict(self.protected.values),
            "root": self.dma.root,
            "table": (
                self.interrupts.table.base,
                self.interrupts.table.entries,
                self.interrupts.table.extended,
            ),
            "on": (self.translating, self.interrupts.enabled, self.interrupts.compatibility),
            "iotlb": self.caches.iotlb.cache.save(),
            "contexts": self.caches.contexts.save(),
            "interrupts": self.caches.interrupts.save(),
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self._registers.restore(state["registers"])
        self.faults.restore(state["faults"])
        self.queue.restore(state["queue"])
        self.protected.values = dict(state["protected"])
        self.dma.root = state["root"]
        self.interrupts.table = TablePointer(*state["table"])
        self.translating, self.interrupts.enabled, self.interrupts.compatibility = state["on"]
        self.caches.iotlb.cache.restore(state["iotlb"])
        self.caches.contexts.restore(state["contexts"])
        self.caches.interrupts.restore(state["interrupts"])
