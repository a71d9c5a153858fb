"""Counting what devices do on their way to memory, whatever that way is."""

from __future__ import annotations

from hardware_model import counters as counter_table
from hardware_model.devices.dma import DmaBlocked, DmaPath

_READ, _READ_BYTES = counter_table.index("dma.read"), counter_table.index("dma.bytes_read")
_WRITE, _WRITE_BYTES = counter_table.index("dma.write"), counter_table.index("dma.bytes_written")
_MESSAGE, _BLOCKED = counter_table.index("dma.message"), counter_table.index("dma.blocked")


class CountedPath:
    """The path `through`, which may be exchanged while devices hold this one."""

    def __init__(self, through: DmaPath, counts: counter_table.CounterArray) -> None:
        self.through = through
        self._counts = counts

    def read(self, source_id: int, address: int, size: int) -> bytes:
        """As the path does; what was let through is counted."""
        try:
            data = self.through.read(source_id, address, size)
        except DmaBlocked:
            self._counts[_BLOCKED] += 1
            raise
        self._counts[_READ] += 1
        self._counts[_READ_BYTES] += size
        return data

    def write(self, source_id: int, address: int, data: bytes) -> None:
        """As the path does; what was let through is counted."""
        try:
            self.through.write(source_id, address, data)
        except DmaBlocked:
            self._counts[_BLOCKED] += 1
            raise
        self._counts[_WRITE] += 1
        self._counts[_WRITE_BYTES] += len(data)

    def message(self, source_id: int, address: int, data: int) -> None:
        """As the path does; what was let through is counted."""
        try:
            self.through.message(source_id, address, data)
        except DmaBlocked:
            self._counts[_BLOCKED] += 1
            raise
        self._counts[_MESSAGE] += 1
