"""The CMOS clock and memory of a PC (Motorola MC146818A data sheet), at ports 0x70 and 0x71.

The clock starts at a fixed date, so that runs are alike, and goes by virtual time. It gives no interrupts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from hardware_model.devices.device import State, Untimed

INDEX, DATA = 0x70, 0x71
POWER_ON = datetime(2026, 1, 1, tzinfo=UTC)
STATUS_A, STATUS_B, STATUS_C, STATUS_D, CENTURY = 0x0A, 0x0B, 0x0C, 0x0D, 0x32
A_32768_HZ, B_24_HOURS, B_BINARY, D_VALID = 0x26, 1 << 1, 1 << 2, 1 << 7
_TIME: dict[int, Callable[[datetime], int]] = {
    0x00: lambda t: t.second,
    0x02: lambda t: t.minute,
    0x04: lambda t: t.hour,
    0x06: lambda t: t.isoweekday() % 7 + 1,
    0x07: lambda t: t.day,
    0x08: lambda t: t.month,
    0x09: lambda t: t.year % 100,
    CENTURY: lambda t: t.year // 100,
}


class Cmos(Untimed):
    """128 bytes: time registers, status registers, memory. `now` gives virtual time, `frequency` units a second."""

    def __init__(self, now: Callable[[], int], frequency: int) -> None:
        self._now, self._frequency = now, frequency
        self._index = 0
        self._bytes = bytearray(128)
        self._bytes[STATUS_A], self._bytes[STATUS_B] = A_32768_HZ, B_24_HOURS

    def read_port(self, port: int, size: int) -> int:
        """Read the byte that was chosen."""
        if port == INDEX:
            return 0xFF
        if self._index in _TIME:
            value = _TIME[self._index](POWER_ON + timedelta(seconds=self._now() // self._frequency))
            return value if self._bytes[STATUS_B] & B_BINARY else value // 10 << 4 | value % 10
        return {STATUS_C: 0, STATUS_D: D_VALID}.get(self._index, self._bytes[self._index])

    def write_port(self, port: int, size: int, value: int) -> None:
        """Choose a byte, or write it; the clock cannot be set."""
        if port == INDEX:
            self._index = value & 0x7F
        elif self._index not in _TIME:
            self._bytes[self._index] = value & 0xFF

    def save(self) -> State:
        """Index and memory."""
        return {"index": self._index, "bytes": bytes(self._bytes)}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self._index, self._bytes = state["index"], bytearray(state["bytes"])
