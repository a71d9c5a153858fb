"""The page tables and EPTs that `tlb_world` walks, and edits of them.

Guest memory has its own copy of the page tables under each EPT: copy 0 (frames 0 to 47) is the machine's own and that of
EPT 0, copy 1 (frames 48 to 95) that of EPT 1. In a copy:

    1, 2    PML4s      3, 4  PDPTs      5, 6  page directories      7 to 12  page tables      16 to 31  pages
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hardware_model.mmu.state import Word
from tests.proofs import tlb_model as M
from tests.proofs.tlb_model import PS, RW, US, A, D, G, P

COPY, FRAMES = 48, 108
EPTS = (96, 102)  # root, PDPT, directory, page table of the first 2 MiB, page table of the second
_EPT = 6 << 3 | 7
LARGE = 0x20_0000  # guest-physical: what the guests' large pages show


class Tables:
    """Tables in the memory of `mmu`, a unit; an edit changes what maps an address now."""

    def __init__(self, mmu: Any) -> None:
        self.mmu = mmu
        self._build()

    def _put(self, frame: int, slot: int, entry: int) -> None:
        self.mmu.ram[frame * 512 + slot] = np.uint64(entry)

    def _build(self) -> None:
        every = P | RW | US | A | D
        for copy in (0, COPY):
            for table, below in ((1, 3), (2, 4), (3, 5), (4, 6), (5, 7), (6, 8)):
                for slot in range(2):
                    self._put(copy + table, slot, below << 12 | every)
            for table in range(7, 13):
                for slot in range(3):
                    self._put(copy + table, slot, (2 * table + slot + 2 & 31 | 16) << 12 | every)
        for number, root in enumerate(EPTS):
            for level in range(3):
                self._put(root + level, 0, root + level + 1 << 12 | 7)
            for slot in range(512):
                self._put(root + 3, slot, number * COPY + slot << 12 | _EPT)
                self._put(root + 4, slot, 0x60_0000 + (slot << 12) | _EPT)
        self._ept_large(0)

    def _entry(self, va: int, level: int) -> int | None:
        """The word of machine memory that holds the entry of `va` at a level; None if its tables do not lead there."""
        copy, table = self._copy, self.mmu[Word.CR3] & M.FRAME
        for above in range(4, level - 1, -1):
            at = copy * COPY * 512 + (table + 8 * (va >> 12 + 9 * (above - 1) & 511) >> 3)
            entry = int(self.mmu.ram[at])
            if above == level:
                return at
            if not entry & P or entry & PS:
                return None
            table = entry & M.FRAME
        raise AssertionError

    @property
    def _copy(self) -> int:
        return int(self.mmu[Word.EPTP] >> 12 == EPTS[1])

    def _write(self, va: int, level: int, entry: int) -> None:
        at = self._entry(va, level)
        if at is not None:
            self.mmu.ram[at] = np.uint64(entry)

    def _remap(self, va: int, frame: int, flags: int) -> None:
        self._write(va, 1, frame << 12 | flags)

    def _move_table(self, va: int, level: int, number: int, flags: int) -> None:
        """The entry of a directory or a PDPT leads to another table, or gives other rights."""
        below = 7 + number if level == 2 else 5 + (number & 1)
        self._write(va, level, below << 12 | flags & ~(G | D))

    def _large(self, va: int, flags: int, number: int) -> None:
        self._write(va, 2, LARGE + number * LARGE | PS | flags)

    def _ept_remap(self, va: int, frame: int, rights: int) -> None:
        """The EPT gives the page of `va` another frame, or other rights."""
        at = self._entry(va, 1)
        if self.mmu[Word.EPTP] and at is not None:
            gpa = int(self.mmu.ram[at]) >> 12 & 0x1F
            rights = rights if rights & 3 != 2 else 7  # not misconfigured
            self._put_ept(gpa, self._copy * COPY + frame << 12 | 6 << 3 | rights)

    def _ept_table(self, va: int, frame: int) -> None:
        """The EPT gives a page table of `va` another frame."""
        at = self._entry(va, 1)
        if self.mmu[Word.EPTP] and at is not None:
            self._put_ept(at // 512 % COPY, self._copy * COPY + frame << 12 | _EPT)

    def _put_ept(self, gpa: int, entry: int) -> None:
        self._put(EPTS[self._copy] + 3, gpa, entry)

    def _ept_large(self, how: int) -> None:
        """The second 2 MiB: one page here or there, or 512 small ones."""
        for root in EPTS:
            pieces = root + 4 << 12 | 7
            large = 0x80_0000 + how * LARGE | PS | _EPT
            self._put(root + 2, 1, pieces if how == 2 else large)
            self._put(root + 2, 2, 0xC0_0000 | PS | _EPT)
