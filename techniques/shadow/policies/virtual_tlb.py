"""Policy `virtual-tlb`: nothing is traced; the shadow is a large TLB that guest flushes empty.

Shadow pages belong to linear addresses, not to guest tables: there is one tree, filled by faults.
Entries may be stale exactly as long as those of a hardware TLB: until INVLPG, a CR3 write (global
ones survive) or a full flush.
"""

from __future__ import annotations

from techniques.shadow.consistency import check_records
from techniques.shadow.counts import ROOT_SWITCH
from techniques.shadow.derivation import Derivation
from techniques.shadow.entry_bits import ALL_RIGHTS, RW
from techniques.shadow.guest_walk import GuestTranslation
from techniques.shadow.paging_mode import PagingMode
from techniques.shadow.policies.policy import Policy
from techniques.shadow.prefetch import Prefetch
from techniques.shadow.resources import Resources
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.table_index import TableIndex


class VirtualTlb(Policy):
    """One tree of shadow pages; `ShadowPage.gfn` is the number of a region of linear addresses.

    A page is `direct` if it holds pieces of one larger guest page: INVLPG means all of them.
    """

    def __init__(self, resources: Resources) -> None:
        self._flushes = resources.flushes
        self._counts = resources.counts
        self._resources = resources
        self._tables = resources.new_tables()
        self._cache = resources.new_cache(self._tables)
        self._index = TableIndex(resources.guest, resources.base)
        self._derivation = Derivation(
            self._index, resources.base, resources.guest.size, resources.devices
        )
        self._prefetch = Prefetch(resources, self._tables, self._derivation)
        self._root: ShadowPage | None = None
        self._mode: PagingMode

    @property
    def root(self) -> int:
        """Machine address of the only shadow root."""
        assert self._root is not None
        return self._root.address

    def enter(self, gfn: int, mode: PagingMode) -> None:
        """Empty the shadow."""
        self._mode = mode
        if self._root is None:
            self._cache.make_room()
            self._root = self._cache.create(0, 4, False, ALL_RIGHTS, mode)
            self._cache.pinned = self._root
            self._counts[ROOT_SWITCH] += 1
        self._keep(0)

    def cr3_written(self, gfn: int) -> None:
        """Empty the shadow but for global entries.

        The frames given up need no TLB flush: the VMM's load of CR3 drops what is cached of them.
        """
        owed = self._flushes.pending
        self._keep(self._mode.global_mask)
        self._flushes.pending = owed

    def _keep(self, wanted: int) -> None:
        """Drop all leaves without a flag of `wanted`, and all pages that are then empty."""
        for page in sorted(self._cache.pages(), key=lambda page: page.level):
            kept = page is self._root or page.links
            if not kept and not any(leaf & wanted for leaf in page.leaves.values()):
                self._cache.zap(page)
                continue
            for index, leaf in tuple(page.leaves.items()):
                if not leaf & wanted:
                    self._tables.drop_leaf(page, index)

    def fill(self, va: int, translation: GuestTranslation, rights: int, write: bool) -> bool:
        """Fill one leaf, as large as the guest's page if machine memory allows.

        A page in a watched frame is read-only, and a write to it is left to the emulator.
        """
        if self._index.traced(translation.gpa >> 12):
            if write:
                return False
            rights &= ~RW
        self._cache.make_room()
        page = self._root
        assert page is not None
        gfn, level, guest_level = translation.gpa >> 12, 4, translation.level
        while True:
            index = va >> 12 + 9 * (level - 1) & 511
            first = gfn & -(1 << 9 * (level - 1))
            if level == 1 or (level <= guest_level and self._index.allows_large(first, level)):
                break
            page = self._below(page, index, va, level <= guest_level)
            level -= 1
        if index in page.links:
            self._zap_tree(page.links[index])
        self._tables.set_leaf(page, index, self._derivation.shadow_leaf(first, level, rights))
        if guest_level == 1:
            self._prefetch.around(page, index, *translation.path[-1])
        return True

    def _below(self, page: ShadowPage, index: int, va: int, pieces: bool) -> ShadowPage:
        child = page.links.get(index)
        if child is not None:
            if child.direct == pieces:
                return child
            self._zap_tree(child)
        level = page.level - 1
        region = va >> 12 + 9 * level
        child = self._cache.create(region, level, pieces, ALL_RIGHTS, self._mode)
        self._tables.link(page, index, child)
        return child

    def _zap_tree(self, page: ShadowPage) -> None:
        for child in tuple(page.links.values()):
            self._zap_tree(child)
        self._cache.zap(page)

    def forget(self, va: int) -> None:
        """Drop the entry of `va`, or all pieces of the guest page that it lies in."""
        page = self._root
        assert page is not None
        while True:
            index = va >> 12 + 9 * (page.level - 1) & 511
            if index in page.leaves:
                self._tables.drop_leaf(page, index)
                return
            child = page.links.get(index)
            if child is None:
                return
            if child.direct:
                self._zap_tree(child)
                return
            page = child

    def table_written(self, gpa: int, size: int) -> None:
        """Nobody watches tables."""

    def watch(self, gfn: int) -> None:
        """Drop all writable leaves of frame `gfn`; larger ones are split at next use."""
        self._index.watch(gfn)
        writers = self._tables.reverse_map.writers(gfn)
        for address in writers:
            self._tables.drop_leaf(self._cache.holding(address), (address & 0xFFF) >> 3)
        if writers or self._flushes.stale_writable:
            self._flushes.pending = True

    def unwatch(self, gfn: int) -> None:
        """See `Policy`."""
        self._index.unwatch(gfn)

    def is_traced(self, gfn: int) -> bool:
        """See `Policy`."""
        return self._index.traced(gfn)

    def check(self) -> None:
        """See `check_records`."""
        check_records(self._cache, self._tables, self._resources)
