"""The console's back end: it takes what the guest puts into the ring of its console page (`io/console.h`)."""

from __future__ import annotations

import struct

from techniques.guest import GuestMemory
from techniques.technique import GuestError

_OUTPUT_BYTES = 2048
_OUTPUT, _CONSUMER = 1024, 3080
_MOST = 16 << 20


class ConsoleOutput:
    """What a domain has written to its console, into `output`; GuestError if it is more than anybody could want."""

    def __init__(self, output: bytearray) -> None:
        self._output = output

    def append(self, text: bytes) -> None:
        """More of it."""
        if len(self._output) + len(text) > _MOST:
            raise GuestError(f"the guest has written more than {_MOST >> 20} MiB to its console")
        self._output.extend(text)


class ConsoleRing:
    """The ring in the guest's frame `frame`; what comes out of it is appended to `output`."""

    def __init__(self, memory: GuestMemory, frame: int, output: bytearray) -> None:
        self._memory = memory
        self._base = frame << 12
        self._output = ConsoleOutput(output)

    def drain(self) -> None:
        """Take all output that there is."""
        memory, base = self._memory, self._base
        consumer, producer = struct.unpack("<II", memory.read(base + _CONSUMER, 8))
        ring = memory.read(base + _OUTPUT, _OUTPUT_BYTES)
        count = min(producer - consumer & 0xFFFFFFFF, _OUTPUT_BYTES)
        start = consumer % _OUTPUT_BYTES
        self._output.append((ring[start:] + ring[:start])[:count])
        memory.write(base + _CONSUMER, struct.pack("<I", producer))
