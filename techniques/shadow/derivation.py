"""What a shadow entry must be, given the guest's entry: the policy's promise in one place."""

from __future__ import annotations

from collections.abc import Set

from techniques.shadow.entry_bits import FRAME, KEEP, NX, PS, RW, A, D, P
from techniques.shadow.paging_mode import PagingMode
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.table_index import TableIndex


class Derivation:
    """Derives shadow entries from guest entries.

    The guest's RAM has `size` bytes at `base`; frames in `devices` are device registers that it reaches directly.
    """

    def __init__(self, index: TableIndex, base: int, size: int, devices: Set[int]) -> None:
        self._index = index
        self._base = base
        self._size = size
        self._devices = devices

    def leaf(self, page: ShadowPage, entry: int) -> int:
        """The shadow of leaf `entry` of the table that `page` shadows; 0 if it must not be present."""
        return self.entry(entry, page.level, page.access, page.mode)

    def entry(self, entry: int, level: int, access: int, mode: PagingMode) -> int:
        """The shadow of leaf `entry` of a table of `level` that the guest reaches with rights `access`, or 0.

        Without its accessed flag an entry has no shadow, so that its use is seen; without its dirty
        flag, or to a traced table, the shadow is read-only.
        """
        if not entry & P or not entry & A:
            return 0
        reserved = mode.reserved_table if level == 1 else mode.reserved_large
        frame = entry & FRAME & -(1 << 12 + 9 * (level - 1))
        device = level == 1 and frame >> 12 in self._devices
        if entry & reserved[level] or (frame >= self._size and not device):
            return 0
        rights = _rights(entry, access, mode)
        if rights & RW and level == 1 and self._index.traced(frame >> 12):
            rights &= ~RW
        return self.shadow_leaf(frame >> 12, level, rights)

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
        if not entry & P or not entry & A:
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
        first = (entry & FRAME & -(1 << 12 + 9 * (page.level - 1))) >> 12
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
