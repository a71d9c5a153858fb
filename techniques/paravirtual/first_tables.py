"""The page tables that a PV domain starts with, in the domain's own frames and read-only to it."""

from __future__ import annotations

import numpy as np

from techniques.guest import GuestMemory
from techniques.paravirtual import page_entries as E

_PAGE = E.PRESENT | E.WRITABLE | E.ACCESSED | E.DIRTY
_TABLE = _PAGE | E.USER
_READ_ONLY = ~E.WRITABLE & E.MASK64
_ENTRIES = 512


class FirstTables:
    """Tables in the guest's frames from `first` on; its frame 0 is machine frame `mfn`, and so on."""

    def __init__(self, guest: GuestMemory, mfn: int, first: int) -> None:
        self._guest = guest
        self._mfn = mfn
        self.first = first
        self._tables: list[np.ndarray] = []
        self._below: dict[tuple[int, int], int] = {}  # (table, slot) -> table, by position
        self._mapped: list[tuple[int, int, int]] = []  # linear address, first frame, frames
        self._new()

    @property
    def count(self) -> int:
        """Tables made so far."""
        return len(self._tables)

    def _new(self) -> int:
        self._tables.append(np.zeros(_ENTRIES, np.uint64))
        return len(self._tables) - 1

    def _leaf(self, linear: int) -> int:
        """The level-1 table for `linear`, made if need be."""
        table = 0
        for level in (4, 3, 2):
            slot = linear >> 12 + 9 * (level - 1) & 511
            below = self._below.get((table, slot))
            if below is None:
                below = self._below[table, slot] = self._new()
                self._tables[table][slot] = (self._mfn + self.first + below) << 12 | _TABLE
            table = below
        return table

    def map(self, linear: int, pfn: int, count: int) -> None:
        """Map `count` frames from `pfn` on, writable, at `linear`."""
        self._mapped.append((linear, pfn, count))
        while count:
            slot = linear >> 12 & 511
            here = min(count, _ENTRIES - slot)
            mfns = np.arange(self._mfn + pfn, self._mfn + pfn + here, dtype=np.uint64)
            self._tables[self._leaf(linear)][slot : slot + here] = mfns << 12 | _PAGE
            linear, pfn, count = linear + (here << 12), pfn + here, count - here

    def store(self) -> None:
        """Make the tables read-only where they are mapped, and write them."""
        for linear, first, count in self._mapped:
            for pfn in range(self.first, self.first + self.count):
                if first <= pfn < first + count:
                    at = linear + (pfn - first << 12)
                    self._tables[self._leaf(at)][at >> 12 & 511] &= np.uint64(_READ_ONLY)
        for number, table_entries in enumerate(self._tables):
            self._guest.write(self.first + number << 12, table_entries.tobytes())
