"""When an unmapped page becomes unreachable: at once, or with the next batch (the policies of Linux's IOMMU drivers).

A cleared entry alone does not stop a device whose translation is in the IOTLB. `strict` invalidates at every unmap and
waits for the unit. `deferred` collects unmappings and invalidates everything at once, when BATCH of them have come
together or the oldest is MAXIMUM_AGE old; until then devices may go on using them: the window of exposure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.vtd.invalidation import Granularity
from hardware_model.vtd.invalidation_queue import iotlb_descriptor
from hardware_model.vtd.registers import MAXIMUM_MASK
from hardware_model.vtd.tables import PAGE
from techniques.assignment.remapping_registers import RemappingRegisters
from techniques.knobs import Knob

STRICT, DEFERRED = "strict", "deferred"
POLICIES = (STRICT, DEFERRED)
BATCH = 250
MAXIMUM_AGE = 10_000_000
"""10 ms, as units of virtual time."""
UNMAP_POLICY = Knob(
    "iommu.unmap",
    STRICT,
    POLICIES,
    "when an unmapped page becomes unreachable for devices",
    "strict: an IOTLB invalidation for each unmap; deferred: one for a batch, until which devices reach the pages",
)
_DEFERRED, _FLUSH = counter_table.index("iommu.deferred"), counter_table.index("iommu.flush")
_EXPOSURE = counter_table.index("iommu.exposure")


class Unmapping(Protocol):
    """A policy."""

    def unmapped(self, domain: int, address: int, length: int) -> None:
        """The entries of these addresses were cleared."""

    def flush(self) -> None:
        """What was unmapped so far must be unreachable now."""


class Strict:
    """Invalidate at every unmap: the pages, or the domain when there are too many of them."""

    def __init__(self, registers: RemappingRegisters) -> None:
        self._registers = registers

    def unmapped(self, domain: int, address: int, length: int) -> None:
        """Invalidate and wait."""
        first, last = address // PAGE, (address + length) // PAGE - 1
        mask = (first ^ last).bit_length()  # the smallest aligned block with both
        whole = iotlb_descriptor(Granularity.DOMAIN, domain)
        some = iotlb_descriptor(Granularity.SELECTIVE, domain, address, mask)
        self._registers.invalidate(some if mask <= MAXIMUM_MASK else whole)

    def flush(self) -> None:
        """Nothing is ever put off."""


class Deferred:
    """Invalidate for a whole batch; a device of the platform, for the time limit is a timer's."""

    def __init__(
        self,
        registers: RemappingRegisters,
        counters: counter_table.CounterArray,
        now: Callable[[], int],
        changed: Callable[[], None],
    ) -> None:
        self._registers, self._counters = registers, counters
        self._now, self._changed = now, changed
        self._waiting: list[tuple[int, int]] = []  # pages, since when

    def unmapped(self, domain: int, address: int, length: int) -> None:
        """Note it; a full batch is flushed."""
        pages = length // PAGE
        self._counters[_DEFERRED] += pages
        self._waiting.append((pages, self._now()))
        if len(self._waiting) >= BATCH:
            self.flush()
        elif len(self._waiting) == 1:
            self._changed()

    def flush(self) -> None:
        """Invalidate the whole IOTLB for all that waits."""
        if not self._waiting:
            return
        now = self._now()
        self._counters[_EXPOSURE] += sum(pages * (now - since) for pages, since in self._waiting)
        self._counters[_FLUSH] += 1
        self._waiting = []
        self._registers.invalidate(iotlb_descriptor(Granularity.GLOBAL))
        self._changed()

    def next_event(self) -> int | None:
        """When the oldest unmapping has waited long enough."""
        return self._waiting[0][1] + MAXIMUM_AGE if self._waiting else None

    def advance(self, now: int) -> None:
        """Flush when that time has come."""
        due = self.next_event()
        if due is not None and due <= now:
            self.flush()

    def save(self) -> State:
        """What waits."""
        return {"waiting": list(self._waiting)}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self._waiting = list(state["waiting"])
