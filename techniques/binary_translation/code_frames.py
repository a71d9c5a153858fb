"""Which guest memory has been translated, and what becomes of units when it changes or is mapped elsewhere.

Frames that hold translated code are write-protected through the shadow pager, as page tables are. A
write is emulated and drops the units whose source it overlaps. The page tables that map such code are
watched too: when one was written, the linear pages are compared with the guest's tables at the next
instruction by which the guest makes the processor see a new mapping. A root that leads elsewhere is
another address space.
"""

from __future__ import annotations

from collections.abc import Iterable

from techniques.binary_translation import counts as counted
from techniques.binary_translation.address_space import AddressSpace
from techniques.binary_translation.layout import SPACES
from techniques.binary_translation.translation_cache import TranslationCache
from techniques.binary_translation.translator import Source
from techniques.binary_translation.unit import Unit
from techniques.deprivileged.exceptions import GuestException
from techniques.shadow import ShadowPager
from techniques.technique import GuestError

_ACCESSED = 1 << 5
_LINE = 4  # log2 of the bytes whose units are listed together: what a store may overlap
STORES = 64
"""Stores in a row to a frame of translated code, emulated one by one, after which it is given up the first time."""


class CodeFrames:
    """Units by guest frame and by linear page."""

    def __init__(
        self, pager: ShadowPager, cache: TranslationCache, source: Source, counts: counted.Counts
    ) -> None:
        self._pager = pager
        self._cache = cache
        self._source = source
        self._counts = counts
        self._by_frame: dict[int, list[Unit]] = {}
        self._by_line: dict[int, list[Unit]] = {}
        self._stores: dict[int, int] = {}
        self._patience: dict[int, int] = {}
        self._tables: set[int] = set()

    def __contains__(self, frame: int) -> bool:
        """Whether the frame is watched for its code alone."""
        return frame in self._by_frame and frame not in self._tables

    def add(self, unit: Unit) -> None:
        """A unit was placed in the cache."""
        pages = self._cache.space.pages
        for line in _lines(unit):
            self._by_line.setdefault(line, []).append(unit)
        for page, frame in unit.pages:
            units = self._by_frame.get(frame)
            if units is None:
                units = self._by_frame[frame] = []
                if frame not in self._tables:
                    self._pager.watch(frame)
            units.append(unit)
            self._stores.pop(frame, None)
            known = pages.get(page)
            if known is None:
                known = pages[page] = []
                self._follow(page)
            known.append(unit)

    def _follow(self, page: int) -> None:
        """Watch the tables that map a linear page."""
        found = self._source.walk(page << 12)
        for table, _ in found.path:
            if table not in self._tables:
                self._tables.add(table)
                if table not in self._by_frame:
                    self._pager.watch(table)
        slot = page >> 27 & 511
        self._cache.space.roots[slot] = self._entry(slot)

    def _entry(self, slot: int) -> int:
        """Entry `slot` of the guest's root table, accessed flag apart."""
        return self._source.entry(self._pager.paging.root_gfn, slot) & ~_ACCESSED

    def drop(self, unit: Unit) -> None:
        """Remove a unit from the cache."""
        assert unit.space is not None
        self._cache.remove(unit)
        self._counts[counted.INVALIDATED] += 1
        for line in _lines(unit):
            self._remove(self._by_line, line, unit)
        for page, frame in unit.pages:
            self._remove(unit.space.pages, page, unit)
            if self._remove(self._by_frame, frame, unit) and frame not in self._tables:
                self._pager.unwatch(frame)

    @staticmethod
    def _remove(units: dict[int, list[Unit]], key: int, unit: Unit) -> bool:
        """Whether no unit is left under the key."""
        known = units[key]
        known.remove(unit)
        if not known:
            del units[key]
        return not known

    def forget(self) -> None:
        """The cache was flushed."""
        for frame in self._by_frame.keys() | self._tables:
            self._pager.unwatch(frame)
        self._by_frame.clear()
        self._by_line.clear()
        self._tables.clear()

    def written(self, gpa: int, size: int) -> None:
        """`size` bytes at `gpa` were stored."""
        if gpa >> 12 in self._tables:
            self._all_stale()
        frames = [f for f in range(gpa >> 12, (gpa + size - 1 >> 12) + 1) if f in self._by_frame]
        for line in range(gpa >> _LINE, (gpa + size - 1 >> _LINE) + 1):
            for unit in tuple(self._by_line.get(line, ())):
                if any(at < gpa + size and gpa < at + length for at, length in unit.source):
                    self.drop(unit)
        for frame in frames:
            self._count_store(frame)

    def _count_store(self, frame: int) -> None:
        """A frame that is written again and again, with nothing translated in between, is released.

        Code that is used on is then translated once more; each time takes twice as many stores.
        """
        stores = self._stores[frame] = self._stores.get(frame, 0) + 1
        patience = self._patience.get(frame, STORES)
        if stores >= patience and frame in self:
            self._patience[frame] = 2 * patience
            self._counts[counted.RELEASED] += 1
            self.give_up(frame)

    def give_up(self, frame: int) -> None:
        """Drop all units of a frame, so that it can be written freely."""
        for unit in tuple(self._by_frame.get(frame, ())):
            self.drop(unit)

    def check_page(self, page: int) -> None:
        """The guest may have a new mapping for a linear page."""
        units = self._cache.space.pages.get(page)
        if units is None:
            return
        frame = next(frame for linear, frame in units[0].pages if linear == page)
        try:
            if self._source.frame(page << 12) == frame:
                return
        except (GuestException, GuestError):
            pass
        self._drop_mapped_elsewhere(units)

    def _drop_mapped_elsewhere(self, units: Iterable[Unit]) -> None:
        for unit in tuple(units):
            self._counts[counted.INVALIDATED_REMAP] += 1
            self.drop(unit)

    def root_loaded(self) -> None:
        """The guest loaded CR3."""
        cache = self._cache
        if not self._fits(cache.space):
            found = next((space for space in reversed(cache.spaces) if self._fits(space)), None)
            cache.enter(found or self._new_space())
            self._counts[counted.SPACE_SWITCHES] += 1
        if cache.space.stale:
            self._check_space()

    def _fits(self, space: AddressSpace) -> bool:
        """Whether the guest's root leads where the pages of `space` were found."""
        return all(self._entry(slot) == entry for slot, entry in space.roots.items())

    def _new_space(self) -> AddressSpace:
        """The one that was in use longest ago makes room."""
        spaces = self._cache.spaces
        if len(spaces) == SPACES:
            self._drop_mapped_elsewhere(spaces[0].units.values())
            del spaces[0]
        return self._cache.new_space()

    def _all_stale(self) -> None:
        for space in self._cache.spaces:
            space.stale = True

    def check_all(self) -> None:
        """The guest may have new mappings for everything."""
        self._all_stale()
        self._check_space()

    def _check_space(self) -> None:
        space = self._cache.space
        space.stale = False
        for slot in space.roots:
            space.roots[slot] = self._entry(slot)
        for page in tuple(space.pages):
            self.check_page(page)


def _lines(unit: Unit) -> set[int]:
    """The lines of guest memory that the unit was made from."""
    return {
        line
        for at, length in unit.source
        for line in range(at >> _LINE, (at + length - 1 >> _LINE) + 1)
    }
