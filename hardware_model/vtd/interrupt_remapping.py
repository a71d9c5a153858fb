"""Interrupt remapping: requests, remapping entries, source-id verification (VT-d specification 5.1, 9.9, 9.10).

request, address     31   20 19         5  4   3   2 1 0        data (SHV)  31    16 15         0
(remappable)        |  FEEh | handle 14:0 |1 |SHV|h15|x|                   |reserved|  subhandle |
(compatibility)     |  FEEh |dest.| ...   |0 |RH |DM |x|        data 10:8 delivery mode, 7:0 vector

remapping entry     127    84 83 82 81 80 79  64 63          32 31  24 23  16 15 14 12 11  8 7  5  4  3  2  1   0
(IM = 0)           | reserved| SVT | SQ  | SID  | destination  | res. |vector|IM| res.|avail|DLM|TM|RH|DM|FPD| P |
(IM = 1, posted)    127      96 95  84 83 ..  64 63        38 37 32 31  24 23  16 15 14 13  12  11   8 7 2  1   0
                   | PDA 63:32 | res. | as above| PDA 31:6   | res. | res. |vector| 1|URG| res.  |avail|res|FPD| P |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from hardware_model import counters as counter_table
from hardware_model.memory import MachineMemory
from hardware_model.vtd import posted_interrupts
from hardware_model.vtd.caches import Cache
from hardware_model.vtd.fault_reasons import FaultReason, RemappingFault

INTERRUPT_BASE, INTERRUPT_END = 0xFEE00000, 0xFEF00000
_FORMAT, _SUBHANDLE_VALID = 1 << 4, 1 << 3
_PRESENT, _FAULT_DISABLE, _POSTED = 1 << 0, 1 << 1, 1 << 15
_RESERVED_LOW = 0x7 << 12 | 0xFF << 24
_RESERVED_LOW_POSTED = 0x3F << 2 | 0x3 << 12 | 0x3F << 32 | 0xFF << 24
_RESERVED_HIGH, _RESERVED_HIGH_POSTED = (1 << 64) - (1 << 20), 0xFFF << 20
_ENTRY_BYTES = 16
# SQ: bits of the function number that are not compared.
_QUALIFIERS = (0b000, 0b100, 0b110, 0b111)
_HIT, _MISS = (
    counter_table.index("vtd.interrupt_cache.hit"),
    counter_table.index("vtd.interrupt_cache.miss"),
)
_REMAPPED, _POST = (
    counter_table.index("vtd.interrupt.remapped"),
    counter_table.index("vtd.interrupt.posted"),
)
_COALESCED, _UNNOTIFIED = (
    counter_table.index("vtd.interrupt.posted.coalesced"),
    counter_table.index("vtd.interrupt.posted.unnotified"),
)
_COMPATIBILITY = counter_table.index("vtd.interrupt.compatibility")


class SourceValidation(IntEnum):
    """SVT of a remapping entry; 3 is reserved."""

    NONE = 0
    REQUESTER = 1
    BUS_RANGE = 2


def remappable_address(index: int) -> int:
    """The message address of a remappable request for entry `index`, no subhandle."""
    return INTERRUPT_BASE | (index & 0x7FFF) << 5 | _FORMAT | index >> 15 << 2


def remapping_entry(
    vector: int,
    destination: int = 0,
    *,
    source_id: int = 0,
    validation: SourceValidation = SourceValidation.REQUESTER,
    qualifier: int = 0,
) -> tuple[int, int]:
    """A present entry for a fixed, edge-triggered interrupt to the APIC `destination`; low and high word."""
    low = _PRESENT | vector << 16 | destination << 40
    return low, source_id | qualifier << 16 | validation << 18


def posted_entry(vector: int, descriptor: int, *, source_id: int) -> tuple[int, int]:
    """A present entry that posts to the descriptor at machine address `descriptor`; the requester is verified."""
    low = _PRESENT | _POSTED | vector << 16 | (descriptor & 0xFFFFFFC0) << 32
    return low, source_id | SourceValidation.REQUESTER << 18 | descriptor >> 32 << 32


@dataclass(slots=True)
class TablePointer:
    """IRTA as it was latched: `base` and number of `entries`; `extended` forbids compatibility format."""

    base: int = 0
    entries: int = 2
    extended: bool = False

    @classmethod
    def of(cls, register: int) -> TablePointer:
        """IRTA's fields."""
        return cls(register & ~0xFFF, 2 << (register & 0xF), bool(register & 1 << 11))


class InterruptRemapping:
    """Decides on every message: delivered with the entry's vector, passed on, posted, or blocked.

    `deliver(destination, vector)` hands it to the local APICs; `table` is the latched table pointer,
    `enabled` GSTS.IRES, `compatibility` GSTS.CFIS.
    """

    def __init__(
        self,
        memory: MachineMemory,
        counters: counter_table.CounterArray,
        cache: Cache[int, tuple[int, int]],
        deliver: Callable[[int, int], None],
    ) -> None:
        self._memory, self._counters, self._cache = memory, counters, cache
        self._deliver = deliver
        self.table = TablePointer()
        self.enabled = self.compatibility = False

    def message(self, source_id: int, address: int, data: int) -> None:
        """Handle a request; RemappingFault if it is blocked."""
        if not self.enabled:
            self.pass_on(address, data)
            return
        if not address & _FORMAT:
            if self.table.extended or not self.compatibility:
                raise RemappingFault(FaultReason.COMPATIBILITY_BLOCKED)
            self._counters[_COMPATIBILITY] += 1
            self.pass_on(address, data)
            return
        self._remap(source_id, address, data)

    def pass_on(self, address: int, data: int) -> None:
        """A compatibility-format message: vector data[7:0] to the APIC named by address[19:12]."""
        self._deliver(address >> 12 & 0xFF, data & 0xFF)

    def _remap(self, source_id: int, address: int, data: int) -> None:
        if data >> 16 if address & _SUBHANDLE_VALID else data:
            raise RemappingFault(FaultReason.REQUEST_RESERVED)
        low, high = self._entry(index_of(address, data))
        if not _allowed(source_id, high):
            raise RemappingFault(FaultReason.SOURCE_MISMATCH, disabled=bool(low & _FAULT_DISABLE))
        vector = low >> 16 & 0xFF
        if low & _POSTED:
            self._counters[_POST] += 1
            descriptor = low >> 32 & 0xFFFFFFC0 | high >> 32 << 32
            posting = posted_interrupts.post(
                self._memory, descriptor, vector, urgent=bool(low & 1 << 14), notify=self._deliver
            )
            self._counters[_COALESCED] += not posting.new
            self._counters[_UNNOTIFIED] += not posting.notified
            return
        self._counters[_REMAPPED] += 1
        self._deliver(low >> 40 & 0xFF, vector)

    def _entry(self, index: int) -> tuple[int, int]:
        if index >= self.table.entries:
            raise RemappingFault(FaultReason.INDEX_BEYOND_TABLE)
        held = self._cache.get(index)
        self._counters[_MISS if held is None else _HIT] += 1
        if held is not None:
            return held
        where = self.table.base + index * _ENTRY_BYTES
        if where + _ENTRY_BYTES > self._memory.size:
            raise RemappingFault(FaultReason.IRTE_POINTER)
        low, high = self._memory.read64(where), self._memory.read64(where + 8)
        _check(low, high, self._memory.size)
        self._cache.put(index, (low, high))
        return low, high


def index_of(address: int, data: int) -> int:
    """The entry that a remappable request asks for."""
    handle = address >> 5 & 0x7FFF | (address >> 2 & 1) << 15
    return handle + (data & 0xFFFF) if address & _SUBHANDLE_VALID else handle


def _check(low: int, high: int, memory_bytes: int) -> None:
    disabled = bool(low & _FAULT_DISABLE)
    if not low & _PRESENT:
        raise RemappingFault(FaultReason.IRTE_NOT_PRESENT, disabled=disabled)
    posted = bool(low & _POSTED)
    reserved_low = _RESERVED_LOW_POSTED if posted else _RESERVED_LOW
    reserved_high = _RESERVED_HIGH_POSTED if posted else _RESERVED_HIGH
    if low & reserved_low or high & reserved_high or high >> 18 & 3 == 3:
        raise RemappingFault(FaultReason.IRTE_RESERVED, disabled=disabled)
    if posted and (low >> 32 & 0xFFFFFFC0 | high >> 32 << 32) + 64 > memory_bytes:
        raise RemappingFault(FaultReason.IRTE_POINTER, disabled=disabled)


def _allowed(source_id: int, high: int) -> bool:
    validation, expected = high >> 18 & 3, high & 0xFFFF
    if validation == SourceValidation.NONE:
        return True
    if validation == SourceValidation.REQUESTER:
        ignored = _QUALIFIERS[high >> 16 & 3]
        return not (source_id ^ expected) & ~ignored
    return expected >> 8 <= source_id >> 8 <= expected & 0xFF
