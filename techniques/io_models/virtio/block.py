"""The virtio block device (specification 0.9.5, appendix D): a request is a header, data and a status byte."""

from __future__ import annotations

import struct

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.devices.disk.content import SECTOR, DiskContent, access_time
from hardware_model.devices.pci.configuration_space import Identity
from techniques.io_models.virtio.device import VENDOR, BackEnd, VirtioDevice
from techniques.io_models.virtio.virtqueue import BrokenQueue, Buffer

SLOT = 4
IDENTITY = Identity(VENDOR, 0x1001, 0x018000, subsystem=2 << 16 | VENDOR)
IN, OUT, FLUSH = 0, 1, 4
OK, IO_ERROR, UNSUPPORTED = 0, 1, 2
_HEADER = struct.Struct("<IIQ")
_REQUEST, _BY_VMM = (
    counter_table.index("io.disk.request"),
    counter_table.index("vmm.disk_request"),
)


class VirtioBlock(VirtioDevice):
    """Requests one after the other; while one is at work the back end wants no notification."""

    def __init__(self, content: DiskContent, back_end: BackEnd) -> None:
        self.content = content
        self.configuration_bytes = struct.pack("<Q", content.sectors)
        super().__init__(SLOT, IDENTITY, 1, back_end)

    def reset(self) -> None:
        """No request is at work."""
        self._at_work: tuple[int, Buffer] | None = None

    def notified(self, queue: int) -> None:
        """There are requests."""
        if self._at_work is None:
            self._start(self.back_end.now())

    def _start(self, now: int) -> None:
        queue = self.queues[0]
        queue.want_notification(False)
        buffer = queue.take()
        if buffer is None:
            queue.want_notification(True)
            return
        header, status = buffer.regions[0], buffer.regions[-1]
        if (
            header.written
            or header.length < _HEADER.size
            or not status.written
            or not status.length
        ):
            raise BrokenQueue("a request needs a header to read and a status byte to write")
        sectors = sum(region.length for region in buffer.regions[1:-1]) // SECTOR
        self._at_work = now + access_time(sectors), buffer

    def next_event(self) -> int | None:
        """When the request at work is done."""
        return self._at_work[0] if self._at_work else None

    def advance(self, now: int) -> None:
        """Finish the request that is due."""
        if self._at_work is None or self._at_work[0] > now:
            return
        (_, buffer), self._at_work = self._at_work, None
        self.guarded(lambda: self._finish(buffer, now))
        self.back_end.changed()

    def _finish(self, buffer: Buffer, now: int) -> None:
        data = self.read_buffer(buffer)
        kind, _, first = _HEADER.unpack_from(data)
        status, answer = self._perform(kind, first, data[_HEADER.size :], buffer)
        writable = sum(region.length for region in buffer.regions if region.written)
        written = self.write_buffer(buffer, answer.ljust(writable - 1, b"\0") + bytes([status]))
        self.count(_REQUEST)
        self.count(_BY_VMM)
        self.give_back(self.queues[0], buffer, written)
        self._start(now)

    def _perform(self, kind: int, first: int, data: bytes, buffer: Buffer) -> tuple[int, bytes]:
        """Status and, of a read, the data."""
        if kind == IN:
            size = sum(region.length for region in buffer.regions if region.written) - 1
            return self._read(first, size)
        if kind == OUT:
            return self._write(first, data), b""
        return (OK if kind == FLUSH else UNSUPPORTED), b""

    def _read(self, first: int, size: int) -> tuple[int, bytes]:
        count = size // SECTOR
        if size % SECTOR or first + count > self.content.sectors:
            return IO_ERROR, b""
        return OK, b"".join(self.content.read(first + n) for n in range(count))

    def _write(self, first: int, data: bytes) -> int:
        count = len(data) // SECTOR
        if len(data) % SECTOR or first + count > self.content.sectors:
            return IO_ERROR
        for n in range(count):
            self.content.write(first + n, data[n * SECTOR : (n + 1) * SECTOR])
        return OK

    def save(self) -> State:
        """Transport, the request at work and what was written."""
        return super().save() | {"at_work": self._at_work, "content": self.content.save()}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        super().restore(state)
        self._at_work = state["at_work"]
        self.content.restore(state["content"])
