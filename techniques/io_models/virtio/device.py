"""A virtio device on PCI, legacy interface (specification 0.9.5, section 2.1): ports and MSI-X.

0  device features   8  queue page frame   14  queue select   18  status       20  configuration vector
4  driver features  12  queue size         16  queue notify   19  ISR status   22  queue vector
24 configuration of the device type; at 20 while MSI-X is disabled, for then the vectors are not there
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.devices.dma import DmaBlocked, DmaPath
from hardware_model.devices.pci.configuration_space import Bar, Identity, Space
from hardware_model.devices.pci.function import PciFunction
from hardware_model.devices.pci.message_signalled import MsiX
from techniques.io_models.virtio.virtqueue import (
    PAGE,
    BrokenQueue,
    Buffer,
    SharedMemory,
    Suppression,
    Virtqueue,
)
from techniques.refusals import Refusals

VENDOR = 0x1AF4
(DEVICE_FEATURES, DRIVER_FEATURES, QUEUE_FRAME, QUEUE_SIZE, QUEUE_SELECT) = (0, 4, 8, 12, 14)
(QUEUE_NOTIFY, STATUS, ISR, CONFIGURATION_VECTOR, QUEUE_VECTOR, CONFIGURATION) = (
    *(16, 18, 19, 20, 22, 24),
)
STATUS_NEEDS_RESET = 0x40
EVENT_INDEX = 1 << 29
ENTRIES = 128
_NO_VECTOR = 0xFFFF
_DOORBELL, _RAISED = counter_table.index("io.doorbell"), counter_table.index("io.interrupt")
_COALESCED = counter_table.index("io.interrupt.coalesced")


@dataclass(frozen=True, slots=True)
class BackEnd:
    """What a virtio device needs of its VMM.

    Frames that come within `interval` nanoseconds of each other are handed to the guest together.
    """

    path: DmaPath
    memory: SharedMemory
    now: Callable[[], int]
    changed: Callable[[], None]
    counts: counter_table.CounterArray
    refusals: Refusals
    suppression: Suppression
    interval: int


class VirtioDevice(PciFunction):
    """The transport; subclasses serve their queues in `notified` and `advance`."""

    features = 0
    configuration_bytes = b""

    def __init__(self, slot: int, identity: Identity, queues: int, back_end: BackEnd) -> None:
        ports = 0xC100 + 0x40 * slot
        table = 0xFE100000 + 0x1000 * slot
        bars = (Bar(0, Space.IO, 64, ports), Bar(1, Space.MEMORY, 4096, table))
        super().__init__(slot, identity, bars, back_end.path)
        self.back_end = back_end
        self.messages = MsiX(self.configuration, bar=1, entries=queues + 1)
        self.queues = [Virtqueue(back_end.memory, ENTRIES) for _ in range(queues)]
        self._reset()

    def _reset(self) -> None:
        self._agreed = self._selected = self._status = 0
        self._configuration_vector = _NO_VECTOR
        self._begin_queues()
        self.reset()

    def _begin_queues(self) -> None:
        wanted = self.back_end.suppression
        if wanted is Suppression.EVENT_INDEX and not self._agreed & EVENT_INDEX:
            wanted = Suppression.FLAGS
        for queue in self.queues:
            queue.reset(wanted)

    def reset(self) -> None:
        """The driver has reset the device: nothing is in flight."""

    def notified(self, queue: int) -> None:
        """The driver says that there are buffers in `queue`."""

    def count(self, counter: int) -> None:
        """Count an event."""
        self.back_end.counts[counter] += 1

    def _offered(self) -> int:
        indexed = self.back_end.suppression is Suppression.EVENT_INDEX
        return self.features | (EVENT_INDEX if indexed else 0)

    # --- ports --------------------------------------------------------------------------------------
    def read_bar(self, index: int, offset: int, size: int) -> int:
        """IN, or a load from the message table."""
        if index == 1:
            return self.messages.read(offset, size)
        queue = self.queues[self._selected] if self._selected < len(self.queues) else None
        values = {
            DEVICE_FEATURES: self._offered(),
            DRIVER_FEATURES: self._agreed,
            QUEUE_FRAME: queue.base // PAGE if queue else 0,
            QUEUE_SIZE: queue.entries if queue else 0,
            QUEUE_SELECT: self._selected,
            STATUS: self._status,
            CONFIGURATION_VECTOR: self._configuration_vector,
            QUEUE_VECTOR: queue.vector if queue else _NO_VECTOR,
        }
        first = CONFIGURATION if self.messages.enabled else CONFIGURATION_VECTOR
        if offset >= first:
            at = offset - first
            return int.from_bytes(self.configuration_bytes[at : at + size], "little")
        return values.get(offset, 0)

    def write_bar(self, index: int, offset: int, size: int, value: int) -> None:
        """OUT, or a store to the message table."""
        if index == 1:
            self.messages.write(offset, size, value)
            self._send_pending()
        elif offset == QUEUE_NOTIFY:
            self._notify(value)
        elif offset == STATUS:
            self._write_status(value)
        elif offset == DRIVER_FEATURES:
            self._agreed = value & self._offered()
            self._begin_queues()
        elif offset == QUEUE_SELECT:
            self._selected = value
        elif offset == CONFIGURATION_VECTOR:
            self._configuration_vector = self._vector(value)
        elif self._selected < len(self.queues):
            self._write_queue(self.queues[self._selected], offset, value)
        self.back_end.changed()

    def _notify(self, number: int) -> None:
        self.count(_DOORBELL)
        if number < len(self.queues) and not self._status & STATUS_NEEDS_RESET:
            self.guarded(lambda: self.notified(number))

    def _write_status(self, value: int) -> None:
        if value:
            self._status = value
        else:
            self._reset()

    def _write_queue(self, queue: Virtqueue, offset: int, value: int) -> None:
        if offset == QUEUE_FRAME:
            queue.base = value * PAGE
        elif offset == QUEUE_VECTOR:
            queue.vector = self._vector(value)

    def _vector(self, wanted: int) -> int:
        """What a driver reads back: no vector if the table has no such entry, or MSI-X is disabled."""
        return wanted if self.messages.enabled and wanted <= len(self.queues) else _NO_VECTOR

    def configuration_written(self) -> None:
        """The table as a whole may have been unmasked."""
        self._send_pending()

    def _send_pending(self) -> None:
        for number in self.messages.unmasked():
            self.signal(self.messages.message(number))

    # --- for subclasses -----------------------------------------------------------------------------
    def guarded(self, action: Callable[[], None]) -> None:
        """Do something with the driver's queues; if they make no sense the device waits for its reset."""
        try:
            action()
        except (BrokenQueue, DmaBlocked) as error:
            if isinstance(error, BrokenQueue) and error.reason:
                self.back_end.refusals.record(error.reason, error.address)
            self._status |= STATUS_NEEDS_RESET
            self.reset()

    def read_buffer(self, buffer: Buffer) -> bytes:
        """What the driver put into the buffer, copied out of the guest."""
        parts = [self.read_memory(r.address, r.length) for r in buffer.regions if not r.written]
        return b"".join(parts)

    def write_buffer(self, buffer: Buffer, data: bytes) -> int:
        """Copy `data` into the buffer's writable regions, as far as they go; the bytes written."""
        done = 0
        for region in buffer.regions:
            piece = data[done : done + region.length]
            if region.written and piece:
                self.write_memory(region.address, piece)
                done += len(piece)
        return done

    def give_back(self, queue: Virtqueue, buffer: Buffer, written: int) -> None:
        """The buffer is done; the driver is interrupted if it wants to be."""
        if not queue.give_back(buffer, written):
            self.count(_COALESCED)
        elif self.signal(self.messages.message(queue.vector)):
            self.count(_RAISED)

    def save(self) -> State:
        """The transport and the queues."""
        registers = (self._agreed, self._selected, self._status, self._configuration_vector)
        return super().save() | {
            "registers": registers,
            "messages": self.messages.save(),
            "queues": [queue.save() for queue in self.queues],
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        super().restore(state)
        self._agreed, self._selected, self._status, self._configuration_vector = state["registers"]
        self.messages.restore(state["messages"])
        restored: Sequence[State] = state["queues"]
        for queue, saved in zip(self.queues, restored, strict=True):
            queue.restore(saved)
