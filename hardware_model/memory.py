"""Machine memory as VMMs, devices and loaders see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hardware_model import counters

if TYPE_CHECKING:
    from hardware_model.executor.engine import Engine

_CODE_INVALIDATED = counters.index("code.invalidated")


class MachineMemory:
    """Reads and writes of machine memory by physical address; stale translations of written code are dropped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bytes = engine.ram.data
        self._words = engine.ram64
        self._view = engine.ram64.data  # an item of it costs a third of the array's
        self.size = engine.ram_bytes

    def read64(self, address: int) -> int:
        """The aligned 64-bit word at `address`."""
        return self._view[address >> 3]

    def write64(self, address: int, value: int) -> None:
        """Store the aligned 64-bit word at `address`."""
        self._view[address >> 3] = value
        if self._engine.drop_code(address, address + 8):
            self._engine.counters[_CODE_INVALIDATED] += 1

    def view(self, address: int, count: int) -> memoryview:
        """A live view of `count` aligned 64-bit words from `address`, where no code lies."""
        return self._words[address >> 3 : (address >> 3) + count].data

    def words(self, address: int, size: int) -> npt.NDArray[np.uint64]:
        """The aligned 64-bit words of `size` bytes from `address`, live, for native code."""
        return self._words[address >> 3 : (address + size) >> 3]

    def read(self, address: int, size: int) -> bytes:
        """`size` bytes from `address`; IndexError beyond the end of memory."""
        self._check(address, size)
        return self._bytes[address : address + size].tobytes()

    def write(self, address: int, data: bytes) -> None:
        """Store `data` at `address`; IndexError beyond the end of memory."""
        self._check(address, len(data))
        if data and self._engine.write_code_safe(address, data):
            self._engine.counters[_CODE_INVALIDATED] += 1

    def zero_page(self, address: int) -> None:
        """Clear the 4 KiB frame at `address`."""
        self._words[address >> 3 : (address >> 3) + 512] = 0
        self._engine.drop_code(address, address + 4096)

    def _check(self, address: int, size: int) -> None:
        if address < 0 or address + size > self.size:
            raise IndexError(
                f"machine address {address:#x} + {size} lies outside memory of {self.size:#x} bytes"
            )
