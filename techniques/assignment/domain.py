"""A protection domain: what its devices can reach, as second-level tables in machine memory."""

from __future__ import annotations

from collections.abc import Iterator

from hardware_model import counters as counter_table
from hardware_model.memory import MachineMemory
from hardware_model.vtd.tables import FRAME, LARGE, PAGE, READ_WRITE, AddressWidth
from techniques.assignment.unmapping import Unmapping
from techniques.frames import FrameAllocator

_MAP, _UNMAP = counter_table.index("iommu.map"), counter_table.index("iommu.unmap")
_LEVELS = {1 << 12: 1, 1 << 21: 2, 1 << 30: 3}


class MappingError(ValueError):
    """A mapping that the tables cannot take; the sentence names the address."""


class ProtectionDomain:
    """Domain `number`. Tables come from `frames` and stay allocated; `unmapping` makes unmapped pages unreachable."""

    def __init__(
        self,
        number: int,
        memory: MachineMemory,
        frames: FrameAllocator,
        counters: counter_table.CounterArray,
        unmapping: Unmapping,
        width: AddressWidth = AddressWidth.FOUR_LEVEL,
    ) -> None:
        self.number, self.width = number, width
        self._memory, self._frames, self._counters = memory, frames, counters
        self._unmapping = unmapping
        self.root = self._table()

    def _table(self) -> int:
        frame = self._frames.allocate()
        self._memory.zero_page(frame)
        return frame

    def map(
        self,
        address: int,
        machine_address: int,
        length: int,
        permissions: int = READ_WRITE,
        page_size: int = PAGE,
    ) -> None:
        """Let the domain's devices reach `length` bytes of machine memory at `address`.

        `permissions` are READ and WRITE of `hardware_model.vtd.tables`; MappingError if a place is taken.
        """
        leaf = permissions | (LARGE if page_size > PAGE else 0)
        for offset in self._pages(address, machine_address, length, page_size):
            where = self._entry(address + offset, _LEVELS[page_size])
            if self._memory.read64(where) & READ_WRITE:
                raise MappingError(f"device address {address + offset:#x} is mapped already")
            self._memory.write64(where, machine_address + offset | leaf)
            self._counters[_MAP] += 1

    def unmap(self, address: int, length: int, page_size: int = PAGE) -> None:
        """Take the pages away; when devices lose them for certain is the policy's decision."""
        for offset in self._pages(address, address, length, page_size):
            where = self._entry(address + offset, _LEVELS[page_size])
            if not self._memory.read64(where) & READ_WRITE:
                raise MappingError(f"device address {address + offset:#x} is not mapped")
            self._memory.write64(where, 0)
            self._counters[_UNMAP] += 1
        self._unmapping.unmapped(self.number, address, length)

    def _pages(self, address: int, target: int, length: int, size: int) -> Iterator[int]:
        if size not in _LEVELS:
            raise MappingError(f"page size {size} is not 4 KiB, 2 MiB or 1 GiB")
        if (address | target | length) & size - 1 or not length:
            raise MappingError(f"{length} bytes at {address:#x} are not whole pages of {size}")
        if address + length > 1 << self.width.bits:
            raise MappingError(f"{address + length:#x} lies beyond {self.width.bits} bits")
        return iter(range(0, length, size))

    def _entry(self, address: int, leaf: int) -> int:
        table = self.root
        for level in range(self.width.levels, leaf, -1):
            where = table + _index(address, level)
            entry = self._memory.read64(where)
            if not entry & READ_WRITE:
                entry = self._table() | READ_WRITE
                self._memory.write64(where, entry)
            elif entry & LARGE:
                raise MappingError(f"device address {address:#x} lies in a larger page")
            table = entry & FRAME
        return table + _index(address, leaf)


def _index(address: int, level: int) -> int:
    return (address >> 12 + 9 * (level - 1) & 511) * 8
