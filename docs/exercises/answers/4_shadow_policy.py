"""Answer 4: INVLPG under a virtual TLB."""

from __future__ import annotations

from techniques.shadow.policies import virtual_tlb


class VirtualTlb(virtual_tlb.VirtualTlb):
    """Walks down the only tree."""

    def forget(self, va: int) -> None:
        """Drop the entry of `va`, or all pieces of the guest page that it lies in."""
        page = self._root
        while page is not None:
            index = va >> 12 + 9 * (page.level - 1) & 511
            if index in page.leaves:
                return self._tables.drop_leaf(page, index)
            below = page.links.get(index)
            if below is not None and below.direct:
                return self._zap_tree(below)
            page = below
        return None
