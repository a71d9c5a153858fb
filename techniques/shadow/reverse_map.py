"""From a guest frame to the leaf shadow entries that let the guest write to it."""

from __future__ import annotations


class ReverseMap:
    """Machine addresses of writable leaf shadow entries, by level and by the frame they map.

    Only writable entries matter: a frame that becomes a page table is taken away from writers, not
    from readers. An entry of level 2 or 3 is filed under its first frame's number shifted down.
    """

    def __init__(self) -> None:
        self._by_level: tuple[dict[int, set[int]], ...] = ({}, {}, {}, {})

    def add(self, level: int, gfn: int, entry_address: int) -> None:
        """The entry of `level` at `entry_address` maps guest frame `gfn` and more, writable."""
        frames = self._by_level[level]
        key = gfn >> 9 * (level - 1)
        known = frames.get(key)
        if known is None:
            frames[key] = {entry_address}
        else:
            known.add(entry_address)

    def remove(self, level: int, gfn: int, entry_address: int) -> None:
        """The entry maps that frame no longer, or no longer writable; KeyError if it never did."""
        frames = self._by_level[level]
        key = gfn >> 9 * (level - 1)
        known = frames[key]
        known.remove(entry_address)
        if not known:
            del frames[key]

    def writers(self, gfn: int) -> list[int]:
        """Addresses of all entries, of any level, through which frame `gfn` can be written."""
        found: list[int] = []
        for level in (1, 2, 3):
            found.extend(sorted(self._by_level[level].get(gfn >> 9 * (level - 1), ())))
        return found

    def __len__(self) -> int:
        return sum(len(known) for frames in self._by_level for known in frames.values())
