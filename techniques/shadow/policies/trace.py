"""Policy `trace`: guest tables are write-protected; each write is emulated and followed at once.

Shadow pages are shared by all roots that reach the same guest table with the same rights, and live
on across CR3 writes, so a process that runs again finds its shadow as it left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from techniques.shadow.consistency import check_against_guest, check_records
from techniques.shadow.counts import ROOT_SWITCH
from techniques.shadow.derivation import Derivation
from techniques.shadow.entry_bits import ALL_RIGHTS
from techniques.shadow.fill import Filler, PageSource
from techniques.shadow.guest_walk import GuestTranslation
from techniques.shadow.paging_mode import PagingMode
from techniques.shadow.policies.policy import Policy
from techniques.shadow.prefetch import Prefetch
from techniques.shadow.resources import Resources
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.table_index import TableIndex
from techniques.shadow.tracing import TableWrites


class Trace(Policy, PageSource):
    """All levels of the guest's tables are traced.

    `flood_limits`: writes to a table of each level, without a walk through it in between, after
    which it is given up. Levels 2 to 4 as in KVM; a level-1 table gets more, because a guest often
    fills or clears many entries in a row (writes that make a usable entry do not count at all).
    """

    flood_limits: ClassVar[Mapping[int, int]] = {1: 16, 2: 3, 3: 3, 4: 3}

    def __init__(self, resources: Resources) -> None:
        self._flushes = resources.flushes
        self._counts = resources.counts
        self._resources = resources
        self.guest = resources.guest
        self.tables = resources.new_tables()
        self.cache = resources.new_cache(self.tables)
        self.cache.forget = self._forget_page
        self.index = TableIndex(resources.guest, resources.base)
        self.derivation = Derivation(
            self.index, resources.base, resources.guest.size, resources.devices
        )
        prefetch = Prefetch(resources, self.tables, self.derivation)
        self._filler = Filler(self, self.tables, self.index, self.derivation, prefetch)
        self._writes = TableWrites(
            resources.guest,
            self.tables,
            self.index,
            self.derivation,
            resources.flushes,
            resources.counts,
            self.flood_limits,
            self._zap_flooded,
        )
        self._root: ShadowPage | None = None
        self._mode: PagingMode

    @property
    def root_page(self) -> ShadowPage:
        """The active root."""
        assert self._root is not None
        return self._root

    @property
    def root(self) -> int:
        """Machine address of the active shadow root."""
        return self.root_page.address

    def enter(self, gfn: int, mode: PagingMode) -> None:
        """Shadow pages are always up to date, so a flush of the guest changes nothing in them."""
        self._mode = mode
        self._load(gfn)

    def cr3_written(self, gfn: int) -> None:
        """Find the root's shadow or make one."""
        self._load(gfn)

    def _load(self, gfn: int) -> None:
        root = self._root
        if root is not None and root.gfn == gfn and root.mode is self._mode:
            return
        self.cache.make_room()
        root = self.cache.find((gfn, 4, False, ALL_RIGHTS, self._mode.role))
        if root is None:
            root = self._shadow_table(gfn, 4, ALL_RIGHTS)
        else:
            self.cache.renew(root)
        self._root = self.cache.pinned = root
        self._counts[ROOT_SWITCH] += 1

    def fill(self, va: int, translation: GuestTranslation, rights: int, write: bool) -> bool:
        """Fill one leaf; a write to a traced table is left to the emulator."""
        self.cache.make_room()
        return self._filler.fill(self.root_page, va, translation, rights, write)

    def forget(self, va: int) -> None:
        """Nothing is uncertain."""

    def table_written(self, gpa: int, size: int) -> None:
        """Follow the write."""
        self._writes.written(gpa, size)

    def table_page(self, parent: ShadowPage, index: int, gfn: int, access: int) -> ShadowPage:
        """See `PageSource`."""
        level = parent.level - 1
        page = self.cache.find((gfn, level, False, access, self._mode.role))
        if page is None:
            page = self._shadow_table(gfn, level, access)
        else:
            self.reached_again(page)
        self.tables.link(parent, index, page)
        return page

    def direct_page(self, parent: ShadowPage, index: int, gfn: int, rights: int) -> ShadowPage:
        """See `PageSource`."""
        level = parent.level - 1
        page = self.cache.find((gfn, level, True, rights, self._mode.role))
        if page is None:
            page = self.cache.create(gfn, level, True, rights, self._mode)
        self.tables.link(parent, index, page)
        return page

    def _shadow_table(self, gfn: int, level: int, access: int) -> ShadowPage:
        traced = self.index.traced(gfn)
        page = self.cache.create(gfn, level, False, access, self._mode)
        self.index.add(page)
        if not traced:
            self.protect(gfn)
        return page

    def protect(self, gfn: int) -> None:
        """Take frame `gfn` away from all writers; large entries of it are split at next use."""
        writers = self.tables.reverse_map.writers(gfn)
        for address in writers:
            page, index = self.cache.holding(address), (address & 0xFFF) >> 3
            if page.level > 1:
                self.tables.drop_leaf(page, index)
            else:
                self.tables.protect_leaf(page, index)
        if writers or self._flushes.stale_writable:
            self._flushes.pending = True

    def watch(self, gfn: int) -> None:
        """See `Policy`."""
        traced = self.index.traced(gfn)
        self.index.watch(gfn)
        if not traced:
            self.protect(gfn)

    def unwatch(self, gfn: int) -> None:
        """See `Policy`."""
        self.index.unwatch(gfn)

    def is_traced(self, gfn: int) -> bool:
        """See `Policy`."""
        return self.index.traced(gfn)

    def allow_write(self, gfn: int) -> bool:
        """Every write to a table is emulated."""
        return False

    def reached_again(self, page: ShadowPage) -> None:
        """A page that exists already gets another parent."""

    def _forget_page(self, page: ShadowPage) -> None:
        if not page.direct:
            self.index.remove(page)

    def _zap_flooded(self, page: ShadowPage) -> None:
        if page is self._root:
            self.tables.clear(page)
            page.writes = 0
        else:
            self.cache.zap(page)

    def check(self) -> None:
        """See `consistency`."""
        check_records(self.cache, self.tables, self._resources)
        check_against_guest(self.cache, self.tables, self.index, self.derivation, self.guest)
