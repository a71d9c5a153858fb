"""TLB flushes that the pager owes, made once before the guest runs again."""

from __future__ import annotations

from techniques.shadow.counts import TLB_FLUSH, Counts
from techniques.shadow.ports import Tlb


class Flushes:
    """What the processor's TLB may still hold.

    A guest that changes an entry must invalidate it itself, so shadow entries that follow the
    guest's change nothing here but the two `stale` notes. What the VMM changes on its own account
    sets `pending`.
    """

    __slots__ = ("_counts", "_tlb", "pending", "stale_fragments", "stale_writable")

    def __init__(self, tlb: Tlb, counts: Counts) -> None:
        self._tlb = tlb
        self._counts = counts
        self.pending = False
        self.stale_writable = False
        """A writable translation may be cached whose shadow entry is gone; it evades traces."""
        self.stale_fragments = False
        """Pieces of a large guest page may be cached; one INVLPG of the guest means all of them."""

    def finish(self) -> None:
        """Flush if one is owed."""
        if self.pending:
            self.flush()

    def flush(self) -> None:
        """Flush now."""
        self._counts[TLB_FLUSH] += 1
        self._tlb.flush()
        self.pending = self.stale_writable = self.stale_fragments = False

    def invalidate(self, va: int) -> None:
        """Do for the guest what its INVLPG of `va` asks for."""
        if self.pending or self.stale_fragments:
            self.flush()
        else:
            self._tlb.invalidate_page(va)
