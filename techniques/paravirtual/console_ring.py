"""The console's back end: it takes what the guest puts into the ring of its console page (`io/console.h`)."""

from __future__ import annotations

import struct

from techniques.guest import GuestMemory

_OUTPUT_BYTES = 2048
_OUTPUT, _CONSUMER = 1024, 3080


class ConsoleRing:
    """The ring in the guest's frame `frame`; what comes out of it is appended to `output`."""

    def __init__(self, memory: GuestMemory, frame: int, output: bytearray) -> None:
        self._memory = memory
        self._base = frame << 12
        self._output = output

    def drain(self) -> None:
        """Take all output that there is."""
        memory, base = self._memory, self._base
        consumer, producer = struct.unpack("<II", memory.read(base + _CONSUMER, 8))
        ring = memory.read(base + _OUTPUT, _OUTPUT_BYTES)
        count = min(producer - consumer & 0xFFFFFFFF, _OUTPUT_BYTES)
        for position in range(consumer, consumer + count):
            self._output.append(ring[position % _OUTPUT_BYTES])
        memory.write(base + _CONSUMER, struct.pack("<I", producer))
