"""Policy `unsync`: as KVM does, level-1 tables may go out of step until the guest invalidates.

The first write to a level-1 table makes its frame writable and marks its shadow pages; what the
guest then writes is seen only when it must be: at a CR3 write or another flush for all marked pages
below the root, at INVLPG for one entry, at the next use of a page through a new parent. Tables of
levels 2 to 4 are traced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from techniques.shadow.counts import PTE_UPDATED, SYNC, UNSYNC
from techniques.shadow.paging_mode import PagingMode
from techniques.shadow.policies.trace import Trace
from techniques.shadow.resources import Resources
from techniques.shadow.shadow_page import ShadowPage


class Unsync(Trace):
    """Traces levels 2 to 4 only."""

    flood_limits: ClassVar[Mapping[int, int]] = {2: 3, 3: 3, 4: 3}

    def __init__(self, resources: Resources) -> None:
        super().__init__(resources)
        self._unsynced: dict[ShadowPage, None] = {}

    def enter(self, gfn: int, mode: PagingMode) -> None:
        """Load the root and bring everything below it up to date."""
        super().enter(gfn, mode)
        self._synchronize_below(self.root_page)

    def cr3_written(self, gfn: int) -> None:
        """Load the root and bring everything below it up to date."""
        super().cr3_written(gfn)
        self._synchronize_below(self.root_page)

    def allow_write(self, gfn: int) -> bool:
        """Let the guest write to a table of level 1."""
        if gfn in self.index.watched:
            return False
        pages = self.index.by_gfn[gfn]
        if any(page.level > 1 for page in pages):
            return False
        for page in pages:
            if not page.unsync:
                page.unsync = True
                self._unsynced[page] = None
                self._counts[UNSYNC] += 1
        return True

    def forget(self, va: int) -> None:
        """Bring one entry up to date if its table is unsynchronized."""
        page: ShadowPage | None = self.root_page
        shift = 39
        while page is not None and page.level > 1:
            page = page.links.get(va >> shift & 511)
            shift -= 9
        if page is not None and page.unsync:
            self._update(page, va >> 12 & 511)

    def reached_again(self, page: ShadowPage) -> None:
        """A new path must show the tables as they are."""
        self._synchronize_below(page)

    def _synchronize_below(self, ancestor: ShadowPage) -> None:
        for page in tuple(self._unsynced):
            if page.below(ancestor):
                self._synchronize(page)

    def _synchronize(self, page: ShadowPage) -> None:
        self._counts[SYNC] += 1
        del self._unsynced[page]
        traced = self.index.traced(page.gfn)
        page.unsync = False
        if not traced:
            self.protect(page.gfn)
        for index in tuple(page.leaves):
            self._update(page, index)

    def _update(self, page: ShadowPage, index: int) -> None:
        """Adjust or drop a leaf that exists; entries that do not are left to be filled on use."""
        old = page.leaves.get(index)
        if old is None:
            return
        leaf = self.derivation.leaf(page, self.guest.read64(page.gfn << 12 | index << 3))
        if leaf == old:
            return
        self._counts[PTE_UPDATED] += 1
        if leaf:
            self.tables.set_leaf(page, index, leaf)
        else:
            self.tables.drop_leaf(page, index)

    def _forget_page(self, page: ShadowPage) -> None:
        self._unsynced.pop(page, None)
        super()._forget_page(page)
