"""What an invalidation drops, by granularity (VT-d specification 6.5.1), whichever interface asked for it."""

from __future__ import annotations

from enum import IntEnum

from hardware_model import counters as counter_table
from hardware_model.vtd.caches import CONTEXT_ENTRIES, INTERRUPT_ENTRIES, Cache, Iotlb
from hardware_model.vtd.registers import MAXIMUM_MASK
from hardware_model.vtd.tables import PAGE, Context


class Granularity(IntEnum):
    """G of a descriptor: for the context cache 3 is one device, for the IOTLB pages of a domain."""

    GLOBAL = 1
    DOMAIN = 2
    SELECTIVE = 3


_NAMES = {Granularity.GLOBAL: "global", Granularity.DOMAIN: "domain"}
_CONTEXT = {
    g: counter_table.index(f"vtd.context.invalidate.{_NAMES.get(g, 'device')}") for g in Granularity
}
_IOTLB = {
    g: counter_table.index(f"vtd.iotlb.invalidate.{_NAMES.get(g, 'page')}") for g in Granularity
}
_INTERRUPTS = counter_table.index("vtd.interrupt_cache.invalidate")
_DROPPED = counter_table.index("vtd.iotlb.dropped")
# FM of a device-selective invalidation: how many bits of the function number are ignored, from bit 2 downwards.
_FUNCTION_MASKS = (0b000, 0b100, 0b110, 0b111)


class Caches:
    """The unit's caches and their invalidation; each method answers False to a request that it must refuse."""

    def __init__(self, counters: counter_table.CounterArray) -> None:
        self._counters = counters
        self.iotlb = Iotlb()
        self.contexts: Cache[int, Context] = Cache(CONTEXT_ENTRIES)
        self.interrupts: Cache[int, tuple[int, int]] = Cache(INTERRUPT_ENTRIES)

    def invalidate_contexts(self, granularity: int, domain: int, source_id: int, mask: int) -> bool:
        """Context-cache invalidation; `mask` is FM."""
        if granularity not in _CONTEXT:
            return False
        self._counters[_CONTEXT[Granularity(granularity)]] += 1
        keep = 0xFFFF & ~_FUNCTION_MASKS[mask]
        if granularity == Granularity.GLOBAL:
            self.contexts.drop()
        elif granularity == Granularity.DOMAIN:
            self.contexts.drop(lambda sid, context: context.domain == domain)
        else:
            self.contexts.drop(
                lambda sid, context: context.domain == domain and not (sid ^ source_id) & keep
            )
        return True

    def invalidate_iotlb(self, granularity: int, domain: int, address: int, mask: int) -> bool:
        """IOTLB invalidation; `mask` is AM: 2^mask pages from `address`, whose low bits are ignored."""
        if granularity not in _IOTLB or (
            granularity == Granularity.SELECTIVE and mask > MAXIMUM_MASK
        ):
            return False
        self._counters[_IOTLB[Granularity(granularity)]] += 1
        if granularity == Granularity.GLOBAL:
            dropped = self.iotlb.cache.drop()
        elif granularity == Granularity.DOMAIN:
            dropped = self.iotlb.cache.drop(lambda key, leaf: key[0] == domain)
        else:
            span = PAGE << mask
            dropped = self.iotlb.invalidate_pages(domain, address & ~(span - 1), 1 << mask)
        self._counters[_DROPPED] += dropped
        return True

    def invalidate_interrupts(self, index: int | None, mask: int) -> None:
        """Interrupt-entry cache: everything, or 2^mask entries from `index`."""
        self._counters[_INTERRUPTS] += 1
        if index is None:
            self.interrupts.drop()
        else:
            first = index & ~((1 << mask) - 1)
            self.interrupts.drop(lambda held, entry: first <= held < first + (1 << mask))
