"""The bitmaps by which VT-x decides on port and MSR accesses: every bit is an exit but those of what is passed."""

from __future__ import annotations

from collections.abc import Iterable

IO_BYTES, MSR_BYTES = 0x2000, 0x1000
_HIGH, _WRITES = 0x2000, 0x4000  # bits of the upper range of MSRs, and of writes


def io(ports: Iterable[int]) -> bytes:
    """I/O bitmaps A and B (SDM vol. 3C 24.6.4) that let `ports` through."""
    bits = bytearray(b"\xff" * IO_BYTES)
    for port in ports:
        _clear(bits, port)
    return bytes(bits)


def msrs(passed: Iterable[int]) -> bytes:
    """MSR bitmaps (24.6.9) that let reads and writes of `passed` through."""
    bits = bytearray(b"\xff" * MSR_BYTES)
    for msr in passed:
        low = msr & 0x1FFF | (_HIGH if msr >> 16 else 0)
        _clear(bits, low)
        _clear(bits, low + _WRITES)
    return bytes(bits)


def _clear(bits: bytearray, number: int) -> None:
    bits[number >> 3] &= ~(1 << (number & 7))
