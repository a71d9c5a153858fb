"""Exercise 4: INVLPG under a virtual TLB.

The policy `virtual-tlb` keeps one tree of shadow tables, filled by faults, and drops entries exactly when a hardware
TLB would have to. Fill in what INVLPG drops: the entry that translates `va`. If the guest's page was larger than what
machine memory allowed, the shadow holds it in pieces, in a page that is `direct`; INVLPG means all of them.

You need: `self._root`, a `ShadowPage` of level 4; of a page: `level`, `leaves` (index to entry), `links` (index to the
page below), `direct`; `self._tables.drop_leaf(page, index)`; `self._zap_tree(page)`.
"""

from __future__ import annotations

from techniques.shadow.policies import virtual_tlb


class VirtualTlb(virtual_tlb.VirtualTlb):
    """The policy with your INVLPG."""

    def forget(self, va: int) -> None:
        """Drop the entry of `va`, or all pieces of the guest page that it lies in."""
        raise NotImplementedError("fill me in")
