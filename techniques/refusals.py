"""What a VMM refused its guest, why and where, as the remapping unit has its fault records.

A VMM keeps the first records, so that a guest cannot flood the log, and counts all.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hardware_model import counters as counter_table

KEPT = 64


class RefusalReason(Enum):
    """Why something was refused; the value names the counter, `doc` says it, and what the address is."""

    doc: str

    def __new__(cls, value: str, doc: str) -> RefusalReason:
        member = object.__new__(cls)
        member._value_ = value
        member.doc = doc
        return member

    EPT_VIOLATION = "ept_violation", "EPT violation: the guest has nothing at guest-physical"
    SHADOW = "shadow", "no shadow entry: the guest has nothing at guest-physical"
    FRAME = "frame", "page-table entry for a frame that is not the domain's, at machine address"
    DESCRIPTOR_ADDRESS = (
        "descriptor_address",
        "ring descriptor outside of the guest's memory, at guest-physical",
    )
    DESCRIPTOR_NUMBER = "descriptor_number", "no such ring descriptor, at guest-physical"
    DESCRIPTOR_LOOP = (
        "descriptor_loop",
        "chain of descriptors longer than its ring, at guest-physical",
    )
    GRANT = (
        "grant",
        "grant of a frame that is not the domain's to give, at machine address",
    )
    GRANT_SECTORS = "grant_sectors", "sectors beyond a granted frame, at machine address"
    RING_INDEX = "ring_index", "more requests than the ring holds, ring at machine address"


_TOTAL = counter_table.index("refused")
_COUNTERS = {reason: counter_table.index(f"refused.{reason.value}") for reason in RefusalReason}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One record: the reason, and the address that its `doc` speaks of."""

    reason: RefusalReason
    address: int

    def __str__(self) -> str:
        return f"{self.reason.doc} {self.address:#x}"


class Refusals:
    """The log of one VMM: `kept` are the first `KEPT` records."""

    def __init__(self, counts: counter_table.CounterArray) -> None:
        self._counts = counts
        self.kept: list[Refusal] = []

    def record(self, reason: RefusalReason, address: int) -> None:
        """Count a refusal, and keep it while there is room."""
        self._counts[_TOTAL] += 1
        self._counts[_COUNTERS[reason]] += 1
        if len(self.kept) < KEPT:
            self.kept.append(Refusal(reason, address))
