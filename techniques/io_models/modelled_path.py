"""The way of a device model to its guest's memory and interrupts: the VMM copies every byte."""

from __future__ import annotations

from hardware_model import counters as counter_table
from hardware_model.devices.dma import DmaBlocked
from techniques.guest import GuestMemory
from techniques.refusals import RefusalReason
from techniques.technique import Technique

_COPIED = counter_table.index("vmm.bytes_copied")


def outside(guest: Technique, address: int, error: IndexError) -> DmaBlocked:
    """The guest has its device reach for guest-physical `address`, where it has no memory: put on record."""
    guest.refusals.record(RefusalReason.DESCRIPTOR_ADDRESS, address)
    return DmaBlocked(str(error))


class ModelledPath:
    """The way of a device model to its guest: plain copies, and requests to the virtual APIC."""

    def __init__(self, guest: Technique, memory: GuestMemory | None = None) -> None:
        self._guest = guest
        self._memory = memory or guest.memory
        self._counts = guest.machine.counters
        self._apic = guest.platform.apic

    def read(self, source_id: int, address: int, size: int) -> bytes:
        """Guest memory; blocked where the guest has none."""
        try:
            data = self._memory.read(address, size)
        except IndexError as error:
            raise outside(self._guest, address, error) from None
        self._counts[_COPIED] += size
        return data

    def write(self, source_id: int, address: int, data: bytes) -> None:
        """Store to guest memory, and tell the VMM, which may shadow what was written."""
        try:
            self._memory.write(address, data)
        except IndexError as error:
            raise outside(self._guest, address, error) from None
        self._counts[_COPIED] += len(data)
        self._guest.memory_written(address, len(data))

    def message(self, source_id: int, address: int, data: int) -> None:
        """An interrupt for the guest."""
        self._apic.request(data & 0xFF)
