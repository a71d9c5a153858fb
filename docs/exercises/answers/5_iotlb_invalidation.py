"""Answer 5: IOTLB invalidation."""

from __future__ import annotations

from hardware_model.vtd.invalidation import Granularity
from hardware_model.vtd.invalidation_queue import iotlb_descriptor
from hardware_model.vtd.registers import MAXIMUM_MASK
from techniques.assignment import unmapping

_PAGE = 4096


class Strict(unmapping.Strict):
    """The smallest aligned block, or the domain."""

    def unmapped(self, domain: int, address: int, length: int) -> None:
        """First and last page differ in their lower bits only: as many as the block has."""
        first, last = address // _PAGE, (address + length) // _PAGE - 1
        mask = (first ^ last).bit_length()
        if mask > MAXIMUM_MASK:
            self._registers.invalidate(iotlb_descriptor(Granularity.DOMAIN, domain))
        else:
            block = iotlb_descriptor(Granularity.SELECTIVE, domain, address, mask)
            self._registers.invalidate(block)
