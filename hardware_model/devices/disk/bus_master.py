"""The bus master of an IDE channel: moves a drive's data by a table of physical regions.

A descriptor has the region's address (32 bits), its length in bytes (16 bits, 0 means 64 KiB) and flags, of which
bit 15 marks the last (Bus Master IDE programming interface, section 1.2).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from hardware_model.devices.disk import registers as R
from hardware_model.devices.pci.function import PciFunction

_LONGEST_TABLE = 8192  # descriptors: a table may not cross a 64 KiB boundary


class BusMaster:
    """Command, status and table registers; data moves through `function`."""

    def __init__(self, function: PciFunction) -> None:
        self._function = function
        self.command = 0
        self.status = 0
        self.table = 0

    def read(self, register: int, size: int) -> int:
        """IN."""
        values = {R.BM_COMMAND: self.command, R.BM_STATUS: self.status, R.BM_TABLE: self.table}
        return values.get(register, 0)

    def write(self, register: int, size: int, value: int) -> bool:
        """OUT; True if that starts the bus master."""
        if register == R.BM_COMMAND:
            started = bool(value & ~self.command & R.BM_START)
            self.command = value & (R.BM_START | R.BM_TO_MEMORY)
            self.status = self.status & ~R.BM_ACTIVE | (R.BM_ACTIVE if started else 0)
            return started
        if register == R.BM_STATUS:
            self.status &= ~(value & (R.BM_ERROR | R.BM_INTERRUPT))
        elif register == R.BM_TABLE:
            self.table = value & ~3
        return False

    def _regions(self) -> Iterator[tuple[int, int]]:
        for number in range(_LONGEST_TABLE):
            at = self.table + number * R.PRD_BYTES
            address, length, flags = struct.unpack(
                "<IHH", self._function.read_memory(at, R.PRD_BYTES)
            )
            yield address, length or 0x10000
            if flags & R.PRD_END:
                return

    def to_memory(self, data: bytes) -> bool:
        """Scatter `data`; False if the regions are too small. Raises DmaBlocked."""
        for address, length in self._regions():
            if not data:
                break
            self._function.write_memory(address, data[:length])
            data = data[length:]
        return not data

    def from_memory(self, size: int) -> bytes:
        """Gather `size` bytes, fewer if the regions are too small. Raises DmaBlocked."""
        data = b""
        for address, length in self._regions():
            if len(data) >= size:
                break
            data += self._function.read_memory(address, min(length, size - len(data)))
        return data

    def finished(self, *, error: bool) -> None:
        """The transfer is over."""
        self.status = self.status & ~R.BM_ACTIVE | R.BM_INTERRUPT | (R.BM_ERROR if error else 0)
