"""Which guest frames are shadowed as page tables, or watched for another reason."""

from __future__ import annotations

from techniques.shadow.ports import GuestMemory
from techniques.shadow.shadow_page import ShadowPage


class TableIndex:
    """Shadow pages by the frame of their guest table, watched frames, and counts of both by region.

    `base` is the machine address of guest frame 0.
    """

    def __init__(self, guest: GuestMemory, base: int) -> None:
        self._size = guest.size
        self._base = base
        self.by_gfn: dict[int, list[ShadowPage]] = {}
        self.watched: set[int] = set()
        self._frames: dict[int, dict[int, int]] = {2: {}, 3: {}}

    def add(self, page: ShadowPage) -> None:
        """A shadow of a guest table was created."""
        pages = self.by_gfn.get(page.gfn)
        if pages is not None:
            pages.append(page)
            return
        self.by_gfn[page.gfn] = [page]
        self._count(page.gfn)

    def _count(self, gfn: int) -> None:
        for level, regions in self._frames.items():
            region = gfn >> 9 * (level - 1)
            regions[region] = regions.get(region, 0) + 1

    def _uncount(self, gfn: int) -> None:
        for level, regions in self._frames.items():
            region = gfn >> 9 * (level - 1)
            regions[region] -= 1
            if not regions[region]:
                del regions[region]

    def watch(self, gfn: int) -> None:
        """The VMM wants to see writes to a frame that it does not watch yet."""
        self.watched.add(gfn)
        self._count(gfn)

    def unwatch(self, gfn: int) -> None:
        """It does not any more."""
        self.watched.remove(gfn)
        self._uncount(gfn)

    def remove(self, page: ShadowPage) -> None:
        """A shadow of a guest table was destroyed."""
        pages = self.by_gfn[page.gfn]
        pages.remove(page)
        if pages:
            return
        del self.by_gfn[page.gfn]
        self._uncount(page.gfn)

    def traced(self, gfn: int) -> bool:
        """Whether a write to the frame must be seen: a shadow page relies on it, or the VMM asked."""
        if gfn in self.watched:
            return True
        for page in self.by_gfn.get(gfn, ()):  # noqa: SIM110 - a generator costs more than the rest
            if not page.unsync:
                return True
        return False

    def allows_large(self, gfn: int, level: int) -> bool:
        """Whether one shadow entry of `level` may map the region that starts at frame `gfn`.

        The region must be RAM, aligned in machine memory, and without any shadowed table.
        """
        size = 1 << 12 + 9 * (level - 1)
        start = gfn << 12
        if (self._base + start) & size - 1 or start + size > self._size:
            return False
        return gfn >> 9 * (level - 1) not in self._frames[level]
