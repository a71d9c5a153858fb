"""Exercise 5: a page was taken away from a device, whose translation still stands in the IOTLB.

A cleared second-level entry does not stop the device: VT-d goes on using what it has cached until software invalidates
it (VT-d specification, "Invalidation of Translation Caches"). Fill in what a strict VMM does after it has cleared the
entries of [address, address + length): invalidate those pages, and no others if that can be said, and wait.

You need: `iotlb_descriptor(Granularity.SELECTIVE, domain, address, mask)`, which names the block of 2**mask pages,
aligned to its own size, in which `address` lies; `iotlb_descriptor(Granularity.DOMAIN, domain)`, all of a domain;
`MAXIMUM_MASK`, the largest mask that the unit takes; and `self._registers.invalidate(descriptor)`, which returns when
the unit is done.
Pages 7 and 8 are neighbours: which is the smallest block that holds both?
"""

from __future__ import annotations

from techniques.assignment import unmapping


class Strict(unmapping.Strict):
    """The policy with your invalidation."""

    def unmapped(self, domain: int, address: int, length: int) -> None:
        """The entries of these addresses were cleared; both are multiples of 4 KiB."""
        raise NotImplementedError("fill me in")
