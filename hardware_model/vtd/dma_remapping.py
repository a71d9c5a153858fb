"""DMA remapping: from a requester's address to machine memory, page by page (VT-d specification 3.4 to 3.7)."""

from __future__ import annotations

from hardware_model import counters as counter_table
from hardware_model.memory import MachineMemory
from hardware_model.vtd import tables
from hardware_model.vtd.fault_reasons import FaultReason, RemappingFault
from hardware_model.vtd.invalidation import Caches
from hardware_model.vtd.registers import GUEST_ADDRESS_WIDTH
from hardware_model.vtd.tables import READ, WRITE, Context, Leaf, TranslationType


def _counter(name: str) -> int:
    return counter_table.index(f"vtd.{name}")


_PAGES, _THROUGH = _counter("request"), _counter("request.pass_through")
_CONTEXT_HIT, _CONTEXT_MISS = _counter("context.hit"), _counter("context.miss")
_HIT, _MISS, _EVICTED = _counter("iotlb.hit"), _counter("iotlb.miss"), _counter("iotlb.evicted")
_STALE = _counter("iotlb.stale")
_ROOT, _CONTEXT = _counter("reference.root"), _counter("reference.context")
_REFERENCES, _BY_LEVEL = (
    _counter("reference"),
    [0, *(_counter(f"reference.l{n}") for n in (1, 2, 3, 4))],
)
_DENIED = {False: FaultReason.READ_DENIED, True: FaultReason.WRITE_DENIED}


class DmaRemapping:
    """Translates requests by the tables below `root` (the latched root-table address)."""

    def __init__(
        self, memory: MachineMemory, counters: counter_table.CounterArray, caches: Caches
    ) -> None:
        self._memory, self._counters, self._caches = memory, counters, caches
        self.root = 0

    def translate(self, source_id: int, address: int, *, write: bool, empty: bool = False) -> int:
        """The machine address of `address`, for a request within one page; RemappingFault if it is blocked.

        `empty` is a zero-length read, which a page that may only be written lets pass (CAP.ZLR).
        """
        self._counters[_PAGES] += 1
        context = self._context(source_id)
        if context.type is TranslationType.PASS_THROUGH:
            self._counters[_THROUGH] += 1
            _within(address, GUEST_ADDRESS_WIDTH, context)
            return address
        _within(address, min(GUEST_ADDRESS_WIDTH, context.width.bits), context)
        leaf = self._leaf(context, address, write)
        needed = WRITE if write else READ | WRITE if empty else READ
        if not leaf.permissions & needed:
            raise RemappingFault(_DENIED[write], disabled=context.fault_disable)
        return leaf.frame + address % leaf.size

    def _context(self, source_id: int) -> Context:
        held = self._caches.contexts.get(source_id)
        self._counters[_CONTEXT_MISS if held is None else _CONTEXT_HIT] += 1
        if held is not None:
            return held
        self._count(_ROOT)
        table = tables.context_table(self._memory, self.root, source_id)
        self._count(_CONTEXT)
        context = tables.context(self._memory, table, source_id)
        self._caches.contexts.put(source_id, context)
        return context

    def _leaf(self, context: Context, address: int, write: bool) -> Leaf:
        iotlb = self._caches.iotlb
        leaf = iotlb.find(context.domain, address)
        self._counters[_MISS if leaf is None else _HIT] += 1
        if leaf is not None:
            self._counters[_STALE] += self._is_stale(context, address, leaf)
        else:
            leaf = self._walk(context, address, write)
            if iotlb.fill(context.domain, address, leaf):
                self._counters[_EVICTED] += 1
        return leaf

    def _is_stale(self, context: Context, address: int, held: Leaf) -> bool:
        """Whether the tables say something else by now; the model's observation, the unit does not look."""
        try:
            now = tables.second_level_leaf(
                self._memory, context, address, [], missing=FaultReason.READ_DENIED
            )
        except RemappingFault:
            return True
        place = held.frame + address % held.size
        return now.frame + address % now.size != place or now.permissions != held.permissions

    def _walk(self, context: Context, address: int, write: bool) -> Leaf:
        visited: list[int] = []
        try:
            leaf = tables.second_level_leaf(
                self._memory, context, address, visited, missing=_DENIED[write]
            )
            if not leaf.permissions:  # each level permits something, together they permit nothing
                raise RemappingFault(_DENIED[write], disabled=context.fault_disable)
            return leaf
        finally:
            for level in visited:
                self._count(_BY_LEVEL[level])

    def _count(self, reference: int) -> None:
        self._counters[reference] += 1
        self._counters[_REFERENCES] += 1


def _within(address: int, bits: int, context: Context) -> None:
    if address >> bits:
        raise RemappingFault(FaultReason.BEYOND_WIDTH, disabled=context.fault_disable)
