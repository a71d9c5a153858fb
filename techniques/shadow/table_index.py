"""Which guest frames are shadowed as page tables."""

from __future__ import annotations

from techniques.shadow.ports import GuestMemory
from techniques.shadow.shadow_page import ShadowPage


class TableIndex:
    """Shadow pages by the frame of their guest table, and counts of such frames by region.

    `base` is the machine address of guest frame 0.
    """

    def __init__(self, guest: GuestMemory, base: int) -> None:
        self._size = guest.size
        self._base = base
        self.by_gfn: dict[int, list[ShadowPage]] = {}
        self._frames: dict[int, dict[int, int]] = {2: {}, 3: {}}

    def add(self, page: ShadowPage) -> None:
        """A shadow of a guest table was created."""
        pages = self.by_gfn.get(page.gfn)
        if pages is not None:
            pages.append(page)
            return
        self.by_gfn[page.gfn] = [page]
        for level, regions in self._frames.items():
            region = page.gfn >> 9 * (level - 1)
            regions[region] = regions.get(region, 0) + 1

    def remove(self, page: ShadowPage) -> None:
        """A shadow of a guest table was destroyed."""
        pages = self.by_gfn[page.gfn]
        pages.remove(page)
        if pages:
            return
        del self.by_gfn[page.gfn]
        for level, regions in self._frames.items():
            region = page.gfn >> 9 * (level - 1)
            regions[region] -= 1
            if not regions[region]:
                del regions[region]

    def traced(self, gfn: int) -> bool:
        """Whether a write to the frame must be seen: a shadow page relies on it."""
        pages = self.by_gfn.get(gfn)
        if pages is None:
            return False
        return any(not page.unsync for page in pages)

    def allows_large(self, gfn: int, level: int) -> bool:
        """Whether one shadow entry of `level` may map the region that starts at frame `gfn`.

        The region must be RAM, aligned in machine memory, and without any shadowed table.
        """
        size = 1 << 12 + 9 * (level - 1)
        start = gfn << 12
        if (self._base + start) & size - 1 or start + size > self._size:
            return False
        return gfn >> 9 * (level - 1) not in self._frames[level]
