"""Filling of shadow entries for one permitted access, under policies that trace guest tables."""

from __future__ import annotations

from abc import ABC, abstractmethod

from techniques.shadow.derivation import Derivation
from techniques.shadow.entry_bits import RW
from techniques.shadow.guest_walk import GuestTranslation
from techniques.shadow.prefetch import Prefetch
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.shadow_tables import ShadowTables
from techniques.shadow.table_index import TableIndex


class PageSource(ABC):
    """Finds or makes the shadow pages that a path needs, and decides about writes to tables."""

    @abstractmethod
    def table_page(self, parent: ShadowPage, index: int, gfn: int, access: int) -> ShadowPage:
        """The shadow of guest table `gfn`, linked below `parent`, up to date."""

    @abstractmethod
    def direct_page(self, parent: ShadowPage, index: int, gfn: int, rights: int) -> ShadowPage:
        """The pieces of the large guest page that starts at `gfn`, linked below `parent`."""

    @abstractmethod
    def allow_write(self, gfn: int) -> bool:
        """A write to traced frame `gfn`: whether to let it happen, unseen from now on."""


class Filler:
    """Descends from the shadow root, linking pages on the way, and sets one leaf."""

    def __init__(
        self,
        pages: PageSource,
        tables: ShadowTables,
        index: TableIndex,
        derivation: Derivation,
        prefetch: Prefetch,
    ) -> None:
        self._prefetch = prefetch
        self._pages = pages
        self._tables = tables
        self._index = index
        self._derivation = derivation

    def fill(
        self, root: ShadowPage, va: int, translation: GuestTranslation, rights: int, write: bool
    ) -> bool:
        """See `Policy.fill`."""
        page, shift = root, 39
        for table in translation.path:
            page.writes = 0
            index = va >> shift & 511
            child = page.links.get(index)
            if child is None or child.table != table:
                child = self._pages.table_page(page, index, *table)
            page = child
            shift -= 9
        page.writes = 0
        gfn = translation.gpa >> 12
        index = va >> shift & 511
        if page.level > 1:
            return self._fill_large(page, index, va, gfn, rights, write)
        done = self._set_small(page, index, gfn, rights, write)
        self._prefetch.around(page, index, page.gfn, page.access)
        return done

    def _fill_large(
        self, page: ShadowPage, index: int, va: int, gfn: int, rights: int, write: bool
    ) -> bool:
        """Map a large guest page by one entry where possible, else by pieces of it."""
        while page.level > 1:
            first = gfn & -(1 << 9 * (page.level - 1))
            child = page.links.get(index)
            if child is None or not child.direct or child.gfn != first or child.access != rights:
                if self._index.allows_large(first, page.level):
                    leaf = self._derivation.shadow_leaf(first, page.level, rights)
                    self._tables.set_leaf(page, index, leaf)
                    return True
                child = self._pages.direct_page(page, index, first, rights)
            page = child
            index = va >> 12 + 9 * (page.level - 1) & 511
        return self._set_small(page, index, gfn, rights, write)

    def _set_small(self, page: ShadowPage, index: int, gfn: int, rights: int, write: bool) -> bool:
        done = True
        if rights & RW and self._index.traced(gfn):
            done = not write or self._pages.allow_write(gfn)
            if not (write and done):
                rights &= ~RW
        self._tables.set_leaf(page, index, self._derivation.shadow_leaf(gfn, 1, rights))
        return done
