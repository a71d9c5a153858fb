"""Assigning devices: the root and context tables, the interrupt-remapping table, and turning the unit on."""

from __future__ import annotations

from hardware_model.machine import Machine
from hardware_model.vtd import tables
from hardware_model.vtd.interrupt_remapping import (
    SourceValidation,
    posted_entry,
    remappable_address,
    remapping_entry,
)
from hardware_model.vtd.invalidation import Granularity
from hardware_model.vtd.invalidation_queue import (
    context_descriptor,
    interrupt_descriptor,
    iotlb_descriptor,
)
from hardware_model.vtd.registers import EventControl, GlobalCommand, Register
from hardware_model.vtd.tables import ENTRY_BYTES, FRAME, AddressWidth, TranslationType
from techniques.assignment.domain import ProtectionDomain
from techniques.assignment.fault_report import Fault, read_and_clear
from techniques.assignment.remapping_registers import RemappingRegisters
from techniques.assignment.unmapping import DEFERRED, STRICT, Deferred, Strict, Unmapping
from techniques.frames import FrameAllocator

INTERRUPT_ENTRIES = 256
_TABLE_SIZE = 7  # IRTA.S: 2^(7 + 1) entries, one frame


class Assignment:
    """The driver of the machine's remapping unit; its tables lie in `frames`.

    Devices without a domain are blocked once `enable` has been called. `policy` is how unmapped pages become
    unreachable: strict or deferred.
    """

    def __init__(self, machine: Machine, frames: FrameAllocator, policy: str = STRICT) -> None:
        self._machine, self._memory, self._frames = machine, machine.memory, frames
        self.registers = RemappingRegisters(machine.platform.bus, machine.memory, frames)
        self._root, self._interrupt_table = self._new_table(), self._new_table()
        self._domains = 0
        self._interrupts = 0
        self.unmapping = self._policy(policy)

    def _policy(self, policy: str) -> Unmapping:
        if policy != DEFERRED:
            return Strict(self.registers)
        machine = self._machine
        deferred = Deferred(
            self.registers,
            machine.counters,
            lambda: machine.now,
            machine.platform.changed,
        )
        machine.platform.attach(deferred)
        return deferred

    def _new_table(self) -> int:
        frame = self._frames.allocate()
        self._memory.zero_page(frame)
        return frame

    def enable(self, *, interrupts: bool = True) -> None:
        """Turn on DMA remapping and, if asked, interrupt remapping without compatibility format."""
        registers = self.registers
        registers.write(Register.RTADDR, self._root, 8)
        registers.command(GlobalCommand.SRTP)
        registers.start_queue()
        registers.invalidate(
            context_descriptor(Granularity.GLOBAL), iotlb_descriptor(Granularity.GLOBAL)
        )
        registers.command(GlobalCommand.TE)
        if interrupts:
            registers.write(Register.IRTA, self._interrupt_table | _TABLE_SIZE, 8)
            registers.command(GlobalCommand.SIRTP)
            registers.invalidate(interrupt_descriptor())
            registers.command(GlobalCommand.IRE)

    def report_faults_by(self, vector: int) -> None:
        """Have the unit interrupt the processor with `vector` when a fault is recorded."""
        self.registers.write(Register.FEDATA, vector)
        self.registers.write(Register.FEADDR, 0xFEE00000)
        self.registers.write(Register.FECTL, 0)

    def mask_fault_events(self) -> None:
        """No interrupts for faults."""
        self.registers.write(Register.FECTL, EventControl.IM)

    def new_domain(self, width: AddressWidth = AddressWidth.FOUR_LEVEL) -> ProtectionDomain:
        """A domain with nothing mapped."""
        self._domains += 1
        return ProtectionDomain(
            self._domains,
            self._memory,
            self._frames,
            self._machine.counters,
            self.unmapping,
            width,
        )

    def attach(self, source_id: int, domain: ProtectionDomain) -> None:
        """Give the device to the domain; what it could reach before is out of its reach when this returns."""
        entry = tables.context_entry(domain.number, domain.root, domain.width)
        self._set_context(source_id, entry)

    def pass_through(self, source_id: int) -> None:
        """Let the device reach all of machine memory by machine addresses."""
        entry = tables.context_entry(0, 0, kind=TranslationType.PASS_THROUGH)
        self._set_context(source_id, entry)

    def detach(self, source_id: int, *, invalidate: bool = True) -> None:
        """Take the device from its domain; it reaches nothing.

        Without `invalidate`, a VMM's mistake, it does as long as its context entry is cached.
        """
        self._set_context(source_id, (0, 0), invalidate)

    def _set_context(self, source_id: int, entry: tuple[int, int], invalidate: bool = True) -> None:
        where = self._context(source_id)
        old_low, old_high = self._memory.read64(where), self._memory.read64(where + 8)
        self._memory.write64(where + 8, entry[1])
        self._memory.write64(where, entry[0])
        if old_low & tables.PRESENT and invalidate:
            old = old_high >> 8 & 0xFFFF
            self.registers.invalidate(
                context_descriptor(Granularity.SELECTIVE, old, source_id),
                iotlb_descriptor(Granularity.DOMAIN, old),
            )

    def _context(self, source_id: int) -> int:
        """Where the device's context entry lies."""
        root = self._root + (source_id >> 8) * ENTRY_BYTES
        if not self._memory.read64(root) & tables.PRESENT:
            low, high = tables.root_entry(self._new_table())
            self._memory.write64(root, low)
            self._memory.write64(root + 8, high)
        table = self._memory.read64(root) & FRAME
        return table + (source_id & 0xFF) * ENTRY_BYTES

    def interrupt(self, source_id: int, vector: int, *, verified: bool = True) -> int:
        """An entry that lets the device, and no other, raise `vector`: the message address to program it with.

        The message's data is 0. An entry that is not `verified` serves any device. OverflowError: the table is full.
        """
        validation = SourceValidation.REQUESTER if verified else SourceValidation.NONE
        entry = remapping_entry(vector, source_id=source_id, validation=validation)
        return self._add_interrupt(entry)

    def posted_interrupt(self, source_id: int, vector: int, descriptor: int) -> int:
        """As `interrupt`, but the vector is noted in the posted-interrupt descriptor at `descriptor`."""
        return self._add_interrupt(posted_entry(vector, descriptor, source_id=source_id))

    def _add_interrupt(self, entry: tuple[int, int]) -> int:
        if self._interrupts == INTERRUPT_ENTRIES:
            raise OverflowError("the interrupt-remapping table is full")
        index = self._interrupts
        self._interrupts += 1
        self._memory.write64(self._interrupt_table + index * ENTRY_BYTES + 8, entry[1])
        self._memory.write64(self._interrupt_table + index * ENTRY_BYTES, entry[0])
        return remappable_address(index)

    def faults(self) -> list[Fault]:
        """The faults recorded since the last call."""
        return read_and_clear(self.registers, self._machine.counters)
