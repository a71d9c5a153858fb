"""Four-level radix tables in memory, as 4-level paging, EPT and DMA remapping share them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Memory = npt.NDArray[np.uint64]

PAGE_SHIFTS = {1 << 12: 12, 1 << 21: 21, 1 << 30: 30}
_FRAME_BITS = 0x000F_FFFF_FFFF_F000


class TableError(ValueError):
    """A mapping that cannot be built; the message names the address."""


class RadixTables:
    """Tables of 512 entries, taken one after another from the region [`base`, `base` + `size`).

    `memory` is machine memory as 64-bit words. Addresses in entries, `base` and `root` are physical
    in the tables' own address space, which starts at machine address `offset` (0 for tables of the
    machine itself).
    """

    table_flags: int
    large_flag: int
    present_mask: int

    def __init__(self, memory: Memory, base: int, size: int, offset: int = 0) -> None:
        if (base | size) & 0xFFF:
            raise TableError(
                f"the region for tables at {base:#x} is not made of whole 4 KiB frames"
            )
        self._memory = memory
        self._offset = offset
        self._next = base
        self._limit = base + size
        self.root = self.allocate(base)

    @property
    def used(self) -> int:
        """The first address behind the tables allocated so far."""
        return self._next

    def allocate(self, address: int) -> int:
        """Take and clear one table; `address` is what it is needed for, to name in an error."""
        table = self._next
        if table >= self._limit:
            raise TableError(
                f"no room for a table to map {address:#x}: the region ends at {self._limit:#x}"
            )
        self._next += 4096
        first = (table + self._offset) >> 3
        self._memory[first : first + 512] = 0
        return table

    def read(self, address: int) -> int:
        """The entry at physical address `address`."""
        return int(self._memory[(address + self._offset) >> 3])

    def write(self, address: int, entry: int) -> None:
        """Set the entry at physical address `address`."""
        self._memory[(address + self._offset) >> 3] = np.uint64(entry)

    def entry_address(self, address: int, level: int = 1) -> int:
        """Physical address of the entry that translates `address` at `level` (4 = root ... 1).

        Raises TableError when the tables end above `level`.
        """
        table = self.root
        for above in range(4, level, -1):
            entry = self.read(table + self._index(address, above))
            if not entry & self.present_mask or entry & self.large_flag:
                raise TableError(f"no level-{level} table translates {address:#x}")
            table = entry & _FRAME_BITS
        return table + self._index(address, level)

    def _map(self, address: int, target: int, length: int, flags: int, page_size: int) -> None:
        if page_size not in PAGE_SHIFTS:
            raise TableError(f"page size {page_size} is not 4 KiB, 2 MiB or 1 GiB")
        if (address | target | length) & (page_size - 1):
            raise TableError(
                f"mapping {address:#x} to {target:#x} is not aligned to pages of {page_size} bytes"
            )
        level = (PAGE_SHIFTS[page_size] - 12) // 9 + 1
        leaf = flags | (self.large_flag if level > 1 else 0)
        done = 0
        while done < length:  # one run of entries of one table at a time
            self._grow(address + done, level)
            where = self.entry_address(address + done, level)
            entries = min(512 - (where >> 3 & 511), (length - done) // page_size)
            first = (where + self._offset) >> 3
            frames = np.arange(entries, dtype=np.uint64) * np.uint64(page_size)
            self._memory[first : first + entries] = frames + np.uint64((target + done) | leaf)
            done += entries * page_size

    def _grow(self, address: int, level: int) -> None:
        for above in range(4, level, -1):
            where = self.entry_address(address, above)
            entry = self.read(where)
            if not entry & self.present_mask:
                self.write(where, self.allocate(address) | self.table_flags)
            elif entry & self.large_flag:
                raise TableError(f"{address:#x} is already mapped by a larger page")

    @staticmethod
    def _index(address: int, level: int) -> int:
        return ((address >> (12 + 9 * (level - 1))) & 511) * 8
