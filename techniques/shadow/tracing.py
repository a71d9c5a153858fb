"""Guest writes to traced page tables (as KVM's `kvm_mmu_track_write`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from techniques.shadow.counts import FLOODED, PDE_ZAPPED, PTE_UPDATED, PTE_WRITE, Counts
from techniques.shadow.derivation import Derivation
from techniques.shadow.flushes import Flushes
from techniques.shadow.ports import GuestMemory
from techniques.shadow.shadow_page import ShadowPage
from techniques.shadow.shadow_tables import ShadowTables
from techniques.shadow.table_index import TableIndex

ENTRY = 8


def looks_unlike_an_entry(gpa: int, size: int) -> bool:
    """Whether a write is not one that is made to page tables: small, or across entries.

    Single bytes at the start of an entry do occur (bit operations on flags).
    """
    if size == 1 and not gpa & ENTRY - 1:
        return False
    return size < 4 or gpa // ENTRY != (gpa + size - 1) // ENTRY


class TableWrites:
    """Brings shadow pages up to date with single writes, or gives them up.

    A page is given up (`zap`) after `limits[level]` writes between which it was not walked: its
    guest table is being torn down, or is no table any more. Levels without a limit are kept.
    """

    def __init__(
        self,
        guest: GuestMemory,
        tables: ShadowTables,
        index: TableIndex,
        derivation: Derivation,
        flushes: Flushes,
        counts: Counts,
        limits: Mapping[int, int],
        zap: Callable[[ShadowPage], None],
    ) -> None:
        self._read64 = guest.read64
        self._tables = tables
        self._index = index
        self._derivation = derivation
        self._flushes = flushes
        self._counts = counts
        never = 1 << 62
        self._limits = tuple(limits.get(level, never) for level in range(5))
        self._zap = zap

    def written(self, gpa: int, size: int) -> None:
        """`size` bytes at `gpa` were stored; nothing happens unless it is a shadowed table."""
        within = 0x1000 - (gpa & 0xFFF)
        if size > within:
            self.written(gpa + within, size - within)
            size = within
        pages = self._index.by_gfn.get(gpa >> 12)
        if pages is None:
            return
        self._counts[PTE_WRITE] += 1
        unlike = looks_unlike_an_entry(gpa, size)
        for page in tuple(pages):
            page.writes += 1
            if unlike or page.writes >= self._limits[page.level]:
                self._counts[FLOODED] += 1
                self._zap(page)
            else:
                self.update(page, (gpa & 0xFFF) // ENTRY)

    def update(self, page: ShadowPage, index: int) -> None:
        """Bring the shadow of entry `index` of the page's guest table up to date."""
        address = page.gfn << 12 | index * ENTRY
        entry = self._read64(address)
        if page.level == 1:
            self._update_leaf(page, index, entry)
        else:
            self._update_upper(page, index, entry)

    def _update_leaf(self, page: ShadowPage, index: int, entry: int) -> None:
        leaf = self._derivation.leaf(page, entry)
        if leaf:
            page.writes = 0
        if leaf == page.leaves.get(index, 0):
            return
        self._counts[PTE_UPDATED] += 1
        if leaf:
            self._tables.set_leaf(page, index, leaf)
        else:
            self._tables.drop_leaf(page, index)

    def _update_upper(self, page: ShadowPage, index: int, entry: int) -> None:
        child = page.links.get(index)
        if child is not None:
            if not self._derivation.leads_to(page, entry, child):
                self._tables.unlink(page, index)
                self._counts[PDE_ZAPPED] += 1
                self._flushes.stale_fragments |= child.direct
        elif index in page.leaves and page.leaves[index] != self._derivation.leaf(page, entry):
            self._tables.drop_leaf(page, index)
            self._counts[PTE_UPDATED] += 1
