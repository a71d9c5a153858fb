"""The queued-invalidation interface (VT-d specification 6.5.2): software writes descriptors, the unit executes them.

A ring of 2^QS pages at IQA; software moves IQT behind the last descriptor, the unit IQH behind the last one executed.
A descriptor has 16 bytes. Its low word:

    context cache   63    50 49 48 47 32 31 16 15   6 5 4 3   0     IOTLB             31 16   7  6  5 4 3   0
                   |        | FM  | SID | DID |      | G |  1  |                      | DID |DR|DW| G |  2  |
    interrupt cache 47 32 31 27  4  3   0                           wait   63   32   6  5  4  3   0
                   | IIDX| IM | G |  4  |                                 | data |  |FN|SW|IF|  5  |

The high word of IOTLB: ADDR 63:12, IH 6, AM 5:0; of wait: the status address.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.memory import MachineMemory
from hardware_model.vtd.events import Event
from hardware_model.vtd.fault_recording import FaultLog
from hardware_model.vtd.invalidation import Caches, Granularity

DESCRIPTOR_BYTES = 16
_WIDE = 1 << 11  # IQA.DW: 256-bit descriptors, which the unit has not
_IF, _SW = 1 << 4, 1 << 5
_SELECTIVE_INDEX = 1 << 4
_DESCRIPTORS, _WAITS = (
    counter_table.index("vtd.queue.descriptor"),
    counter_table.index("vtd.queue.wait"),
)


class Descriptor(IntEnum):
    """Type of a descriptor."""

    CONTEXT_CACHE = 1
    IOTLB = 2
    INTERRUPT_CACHE = 4
    WAIT = 5


def context_descriptor(
    granularity: Granularity, domain: int = 0, source_id: int = 0
) -> tuple[int, int]:
    """Invalidate the context cache."""
    return Descriptor.CONTEXT_CACHE | granularity << 4 | domain << 16 | source_id << 32, 0


def iotlb_descriptor(
    granularity: Granularity, domain: int = 0, address: int = 0, mask: int = 0
) -> tuple[int, int]:
    """Invalidate the IOTLB; for pages, 2^mask of them from `address`."""
    return Descriptor.IOTLB | granularity << 4 | domain << 16, address & ~0xFFF | mask


def interrupt_descriptor(index: int | None = None, mask: int = 0) -> tuple[int, int]:
    """Invalidate the interrupt-entry cache, or 2^mask entries from `index`."""
    if index is None:
        return int(Descriptor.INTERRUPT_CACHE), 0
    return Descriptor.INTERRUPT_CACHE | _SELECTIVE_INDEX | mask << 27 | index << 32, 0


def wait_descriptor(
    status_address: int, status: int, *, interrupt: bool = False
) -> tuple[int, int]:
    """When all before it is done, store `status` (32 bits) at `status_address`; on request interrupt."""
    low = Descriptor.WAIT | _SW | (_IF if interrupt else 0) | status << 32
    return low, status_address


class InvalidationQueue:
    """IQH, IQT and IQA, and what the unit does with the ring."""

    def __init__(
        self,
        memory: MachineMemory,
        counters: counter_table.CounterArray,
        caches: Caches,
        faults: FaultLog,
        send: Callable[[int, int], None],
    ) -> None:
        self._memory, self._counters = memory, counters
        self._caches, self._faults = caches, faults
        self.completion = Event(send)
        self.completed = False  # ICS.IWC
        self.address = self.head = self.tail = 0
        self.enabled = False

    def enable(self, on: bool) -> None:
        """GCMD.QIE; a disabled queue starts again at its base."""
        if self.enabled and not on:
            self.head = 0
        self.enabled = on
        self.run()

    def write_tail(self, value: int) -> None:
        """Software writes IQT."""
        self.tail = value & 0x7FFF0
        self.run()

    def run(self) -> None:
        """Execute what lies between head and tail, unless a descriptor in error holds the queue."""
        size = 4096 << (self.address & 7)
        while self.enabled and self.head != self.tail and not self._faults.queue_stopped:
            where = (self.address & ~0xFFF) + self.head
            in_memory = where + DESCRIPTOR_BYTES <= self._memory.size
            if self.tail >= size or self.address & _WIDE or not in_memory or not self._step(where):
                self._faults.queue_error()
                return
            self.head = (self.head + DESCRIPTOR_BYTES) % size

    def _step(self, where: int) -> bool:
        low, high = self._memory.read64(where), self._memory.read64(where + 8)
        self._counters[_DESCRIPTORS] += 1
        kind = low & 0xF
        if kind == Descriptor.CONTEXT_CACHE:
            return self._caches.invalidate_contexts(
                low >> 4 & 3, low >> 16 & 0xFFFF, low >> 32 & 0xFFFF, low >> 48 & 3
            )
        if kind == Descriptor.IOTLB:
            return self._caches.invalidate_iotlb(
                low >> 4 & 3, low >> 16 & 0xFFFF, high & ~0xFFF, high & 0x3F
            )
        if kind == Descriptor.INTERRUPT_CACHE:
            index = low >> 32 & 0xFFFF if low & _SELECTIVE_INDEX else None
            self._caches.invalidate_interrupts(index, low >> 27 & 0x1F)
            return True
        return kind == Descriptor.WAIT and self._wait(low, high)

    def _wait(self, low: int, high: int) -> bool:
        self._counters[_WAITS] += 1
        if low & _SW:
            address = high & ~3
            if address + 4 > self._memory.size:
                return False
            self._memory.write(address, (low >> 32).to_bytes(4, "little"))
        if low & _IF and not self.completed:
            self.completed = True
            self.completion.signal()
        return True

    def write_completion(self, value: int) -> None:
        """Software writes ICS: a one clears IWC."""
        if value & 1:
            self.completed = False
            self.completion.withdraw()

    def save(self) -> State:
        """Registers."""
        return {
            "address": self.address,
            "head": self.head,
            "tail": self.tail,
            "enabled": self.enabled,
            "completed": self.completed,
            "completion": self.completion.save(),
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.address, self.head, self.tail = state["address"], state["head"], state["tail"]
        self.enabled, self.completed = state["enabled"], state["completed"]
        self.completion.restore(state["completion"])
