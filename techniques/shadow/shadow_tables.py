"""Writing shadow entries: machine memory, the pages' own records and the reverse map stay alike."""

from __future__ import annotations

from techniques.shadow.counts import SPTE_SET, Counts
from techniques.shadow.entry_bits import FRAME, LINK, RW, D
from techniques.shadow.flushes import Flushes
from techniques.shadow.ports import MachineMemory
from techniques.shadow.reverse_map import ReverseMap
from techniques.shadow.shadow_page import ShadowPage


class ShadowTables:
    """Sets and drops entries of shadow pages; `base` is the machine address of guest frame 0."""

    def __init__(self, machine: MachineMemory, base: int, flushes: Flushes, counts: Counts) -> None:
        self._write64 = machine.write64
        self._base = base
        self._flushes = flushes
        self._counts = counts
        self.reverse_map = ReverseMap()

    def set_leaf(self, page: ShadowPage, index: int, entry: int) -> None:
        """Make `entry` the leaf at `index`; whatever stood there goes."""
        old = page.leaves.get(index)
        if old == entry:
            return
        if old is None:
            if index in page.links:
                self.unlink(page, index)
        elif old & RW:
            self._forget_writer(page, index, old)
        page.leaves[index] = entry
        address = page.address + 8 * index
        self._write64(address, entry)
        self._counts[SPTE_SET] += 1
        if entry & RW:
            self.reverse_map.add(page.level, self.frame_of(entry), address)

    def drop_leaf(self, page: ShadowPage, index: int) -> None:
        """Clear the leaf at `index`."""
        old = page.leaves.pop(index)
        if old & RW:
            self._forget_writer(page, index, old)
        self._write64(page.address + 8 * index, 0)

    def protect_leaf(self, page: ShadowPage, index: int) -> None:
        """Make the writable leaf at `index` read-only."""
        old = page.leaves[index]
        self._forget_writer(page, index, old)
        page.leaves[index] = old & ~(RW | D)
        self._write64(page.address + 8 * index, old & ~(RW | D))

    def _forget_writer(self, page: ShadowPage, index: int, old: int) -> None:
        self._flushes.stale_writable = True
        self.reverse_map.remove(page.level, self.frame_of(old), page.address + 8 * index)

    def frame_of(self, leaf: int) -> int:
        """Number of the first guest frame that a leaf shadow entry maps."""
        return ((leaf & FRAME) - self._base) >> 12

    def link(self, page: ShadowPage, index: int, child: ShadowPage) -> None:
        """Make the entry at `index` lead to `child`; whatever stood there goes."""
        self.drop(page, index)
        address = page.address + 8 * index
        page.links[index] = child
        child.parents[address] = page
        self._write64(address, child.address | LINK)

    def unlink(self, page: ShadowPage, index: int) -> ShadowPage:
        """Clear the entry at `index` that leads to the page returned."""
        address = page.address + 8 * index
        child = page.links.pop(index)
        del child.parents[address]
        self._write64(address, 0)
        return child

    def drop(self, page: ShadowPage, index: int) -> None:
        """Clear the entry at `index`, if there is one."""
        if index in page.leaves:
            self.drop_leaf(page, index)
        elif index in page.links:
            self.unlink(page, index)

    def clear(self, page: ShadowPage) -> None:
        """Clear all entries."""
        for index in tuple(page.links):
            self.unlink(page, index)
        for index in tuple(page.leaves):
            self.drop_leaf(page, index)

    def release(self, page: ShadowPage) -> None:
        """Forget all entries of a page whose frame is given up, without clearing the frame."""
        for index, child in page.links.items():
            del child.parents[page.address + 8 * index]
        for index, entry in page.leaves.items():
            if entry & RW:
                self._forget_writer(page, index, entry)
        page.links.clear()
        page.leaves.clear()

    def detach(self, page: ShadowPage) -> None:
        """Clear all entries that lead to the page."""
        for address, parent in tuple(page.parents.items()):
            self.unlink(parent, (address & 0xFFF) >> 3)
