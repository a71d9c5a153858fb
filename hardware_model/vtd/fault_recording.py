"""Primary fault logging: fault records, overflow, and the fault event (VT-d specification 7.2, 11.4.7 to 11.4.15).

FRCD, low word    63           12 11    0        fault information: the page, or the interrupt index in bits 63:48
                 | FI            | resvd |
FRCD, high word   63 62 61 60  39  32 31 16 15  0
                 |F |T1| AT |..| FR  |  .. | SID |     T1: 1 a read, 0 a write; F is cleared by writing 1
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.device import State
from hardware_model.vtd.events import Event
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.registers import FAULT_RECORDS, FRI_SHIFT, FaultStatus

PENDING = 1 << 63
IS_READ = 1 << 62
_REASON_SHIFT = 32


class FaultLog:
    """The fault-recording registers, FSTS, and the fault event.

    `send(address, data)` sends a message of the unit itself.
    """

    def __init__(self, send: Callable[[int, int], None]) -> None:
        self.event = Event(send)
        self.records = [[0, 0] for _ in range(FAULT_RECORDS)]
        self._next = 0
        self._first = 0
        self._sticky = 0

    @property
    def status(self) -> int:
        """FSTS."""
        pending = FaultStatus.PPF if self._pending() else 0
        return self._sticky | pending | self._first << FRI_SHIFT

    def record(self, source_id: int, information: int, reason: FaultReason, *, read: bool) -> bool:
        """Log a fault; False if there is no room, which sets PFO (7.2.1).

        While PFO is set nothing is logged.
        """
        if self._sticky & FaultStatus.PFO:
            return False
        if self.records[self._next][1] & PENDING:
            self._raise(FaultStatus.PFO)
            return False
        quiet = not self._any_status()
        if not self._pending():
            self._first = self._next
        high = PENDING | (IS_READ if read else 0) | reason << _REASON_SHIFT | source_id
        self.records[self._next] = [information, high]
        self._next = (self._next + 1) % FAULT_RECORDS
        if quiet:
            self.event.signal()
        return True

    def queue_error(self) -> None:
        """IQE: the invalidation queue met a descriptor that it cannot execute."""
        self._raise(FaultStatus.IQE)

    @property
    def queue_stopped(self) -> bool:
        """Whether IQE is set, which holds the invalidation queue."""
        return bool(self._sticky & FaultStatus.IQE)

    def write_status(self, value: int) -> None:
        """Software writes FSTS: ones clear PFO and IQE."""
        self._sticky &= ~(value & (FaultStatus.PFO | FaultStatus.IQE))
        self._settle()

    def read_record(self, offset: int) -> int:
        """A 64-bit half of a record, `offset` bytes behind the first record."""
        return self.records[offset >> 4][offset >> 3 & 1]

    def clear_record(self, offset: int, value: int) -> None:
        """Software writes a half of a record: a one in F clears it."""
        if offset & 8 and value & PENDING:
            self.records[offset >> 4][1] &= ~PENDING
            pending = [n for n in range(FAULT_RECORDS) if self.records[n][1] & PENDING]
            if pending:  # the oldest one
                self._first = min(pending, key=lambda n: (n - self._next) % FAULT_RECORDS)
            self._settle()

    def _raise(self, status: FaultStatus) -> None:
        quiet = not self._any_status()
        self._sticky |= status
        if quiet:
            self.event.signal()

    def _pending(self) -> bool:
        return any(high & PENDING for _, high in self.records)

    def _any_status(self) -> bool:
        return bool(self._sticky) or self._pending()

    def _settle(self) -> None:
        if not self._any_status():
            self.event.withdraw()

    def save(self) -> State:
        """Every register."""
        return {
            "records": [list(record) for record in self.records],
            "next": self._next,
            "first": self._first,
            "sticky": self._sticky,
            "event": self.event.save(),
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.records = [list(record) for record in state["records"]]
        self._next, self._first, self._sticky = state["next"], state["first"], state["sticky"]
        self.event.restore(state["event"])
