"""The shadow pages that exist: found by key, from a pool of frames, recycled when it is empty."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from techniques.shadow.counts import (
    CACHE_HIT,
    CACHE_MISS,
    RECYCLED,
    SHADOW_CREATED,
    SHADOW_ZAPPED,
    Counts,
)
from techniques.shadow.errors import PoolTooSmall
from techniques.shadow.flushes import Flushes
from techniques.shadow.paging_mode import PagingMode
from techniques.shadow.ports import FrameAllocator, MachineMemory
from techniques.shadow.shadow_page import Key, ShadowPage
from techniques.shadow.shadow_tables import ShadowTables

PATH_FRAMES = 4
"""Shadow pages that one fault or one CR3 write can need at most: a root and three below it."""

RECYCLED_AT_ONCE = 16
"""Frames that recycling tries to make available, so that it happens seldom."""


class ShadowCache:
    """All shadow pages. `pinned`, the active root, is never recycled.

    `reserved` gives machine entries, by index, that every root holds for the VMM's own use.
    `forget` is called with each page that is destroyed.
    """

    def __init__(
        self,
        machine: MachineMemory,
        frames: FrameAllocator,
        tables: ShadowTables,
        flushes: Flushes,
        counts: Counts,
        reserved: Mapping[int, int],
    ) -> None:
        self._machine = machine
        self._frames = frames
        self._tables = tables
        self._flushes = flushes
        self._counts = counts
        self._reserved = reserved
        self._pages: dict[Key, ShadowPage] = {}
        self._by_address: dict[int, ShadowPage] = {}
        self.pinned: ShadowPage | None = None
        self.forget: Callable[[ShadowPage], None] = lambda page: None

    def find(self, key: Key) -> ShadowPage | None:
        """The page with `key`, if it exists."""
        page = self._pages.get(key)
        self._counts[CACHE_MISS if page is None else CACHE_HIT] += 1
        return page

    def create(
        self, gfn: int, level: int, direct: bool, access: int, mode: PagingMode
    ) -> ShadowPage:
        """A new, empty page; `make_room` has been called for this operation."""
        address = self._frames.allocate()
        self._machine.zero_page(address)
        page = ShadowPage(address, gfn, level, direct, access, mode)
        self._pages[page.key] = self._by_address[address] = page
        self._counts[SHADOW_CREATED] += 1
        if level == 4:
            for index, entry in self._reserved.items():
                self._machine.write64(address + 8 * index, entry)
        return page

    def roots(self) -> tuple[ShadowPage, ...]:
        """All pages that are roots."""
        return tuple(page for page in self._pages.values() if page.level == 4)

    def move_reserved(self, old: int, new: int) -> None:
        """Every root's reserved entry at index `old` goes to `new`, where none holds another."""
        for page in self.roots():
            self._machine.write64(page.address + 8 * old, 0)
            self._machine.write64(page.address + 8 * new, self._reserved[old])

    def holding(self, entry_address: int) -> ShadowPage:
        """The page in which the shadow entry at machine address `entry_address` lies."""
        return self._by_address[entry_address & ~0xFFF]

    def zap(self, page: ShadowPage) -> None:
        """Destroy a page other than the active root."""
        self._counts[SHADOW_ZAPPED] += 1
        self.forget(page)
        self._tables.detach(page)
        self._tables.release(page)
        del self._pages[page.key]
        del self._by_address[page.address]
        self._frames.free(page.address)
        self._flushes.pending = True  # cached walks may still point into the frame

    def renew(self, page: ShadowPage) -> None:
        """Count a page as the youngest, the last to be recycled."""
        self._pages[page.key] = self._pages.pop(page.key)

    def make_room(self) -> None:
        """Have frames for one operation: recycle the oldest pages if need be.

        Raises PoolTooSmall when even that yields too few.
        """
        if self._frames.available >= PATH_FRAMES:
            return
        for page in tuple(self._pages.values()):
            if page is self.pinned:
                continue
            self._counts[RECYCLED] += 1
            self.zap(page)
            if self._frames.available >= RECYCLED_AT_ONCE:
                return
        if self._frames.available < PATH_FRAMES:
            raise PoolTooSmall(
                f"{self._frames.available} frames for shadow tables beside the active root, "
                f"at least {PATH_FRAMES} are needed"
            )

    def pages(self) -> tuple[ShadowPage, ...]:
        """All pages, oldest first."""
        return tuple(self._pages.values())
