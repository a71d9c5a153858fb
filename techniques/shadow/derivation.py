"""What a shadow entry must be, given the guest's entry: the policy's promise in one place."""

from __future__ import annotations

from collections.abc import Set

from techniques.shadow.entry_bits import FRAME, KEEP, NX, PS, RW, A, D, P
from techniques.shadow.paging_mode import PagingMode
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.table_index import TableIndex

_USED = P | A
_FRAMES = tuple(FRAME & -(1 << max(12, 3 + 9 * level)) for level in range(5))
"""Bits of the frame in a leaf of each level."""


class Derivation:
    """Derives shadow entries from guest entries.

    The guest's RAM has `size` bytes at `base`; frames in `devices` are device registers that it reaches directly.
    """

    def __init__(self, index: TableIndex, base: int, size: int, devices: Set[int]) -> None:
        self._index = index
        self._base = base
        self._frames = (size + 0xFFF) >> 12
        self._devices = devices

    def leaf(self, page: ShadowPage, entry: int) -> int:
        """The shadow of leaf `entry` of the table that `page` shadows; 0 if it must not be present."""
        return self.entry(entry, page.level, page.access, page.mode)

    def entry(self, entry: int, level: int, access: int, mode: PagingMode) -> int:
        """The shadow of leaf `entry` of a table of `level` that the guest reaches with rights `access`, or 0.

        Without its accessed flag an entry has no shadow, so that its use is seen; without its dirty
        flag, or to a traced table, the shadow is read-only.
        """
        reserved = mode.reserved_table if level == 1 else mode.reserved_large
        if entry & _USED != _USED or entry & reserved[level]:
            return 0
        gfn = (entry & _FRAMES[level]) >> 12
        if gfn >= self._frames and not (level == 1 and gfn in self._devices):
            return 0
        rights = access & (entry | KEEP) | entry & (NX | mode.global_mask)
        if not entry & D or (rights & RW and level == 1 and self._index.traced(gfn)):
            rights &= ~RW
        return self.shadow_leaf(gfn, level, rights)

    def leaf_rights(self, page: ShadowPage, entry: int) -> int:
        """Rights of a leaf `entry` in the table that `page` shadows, G included."""
        return _rights(entry, page.access, page.mode)

    def shadow_leaf(self, gfn: int, level: int, rights: int) -> int:
        """A leaf shadow entry of `level` that maps guest frames from `gfn` with `rights`."""
        base = 0 if gfn in self._devices else self._base
        entry = base + (gfn << 12) | P | A | rights
        if rights & RW:
            entry |= D
        return entry if level == 1 else entry | PS

    def leads_to(self, page: ShadowPage, entry: int, child: ShadowPage) -> bool:
        """Whether `entry` of the table that `page` shadows may have `child` as its shadow."""
        if entry & _USED != _USED:
            return False
        if not entry & PS:
            return (
                not child.direct
                and not entry & page.mode.reserved_table[page.level]
                and child.gfn == (entry & FRAME) >> 12
                and child.access == page.access & (entry | KEEP) | entry & NX
            )
        return self._is_piece_of(page, entry, child)

    def _is_piece_of(self, page: ShadowPage, entry: int, child: ShadowPage) -> bool:
        first = (entry & _FRAMES[page.level]) >> 12
        return (
            child.direct
            and not entry & page.mode.reserved_large[page.level]
            and child.gfn == first
            and child.access & ~RW == self.leaf_rights(page, entry) & ~RW
            and not child.access & RW & ~self.leaf_rights(page, entry)
        )


def _rights(entry: int, access: int, mode: PagingMode) -> int:
    rights = access & (entry | KEEP) | entry & (NX | mode.global_mask)
    return rights if entry & D else rights & ~RW
