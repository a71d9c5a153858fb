"""A static ELF executable from an assembled program: one segment for its code, one for its data."""

from __future__ import annotations

import struct

from workloads.assembler import PAGE, Unit

_EXECUTABLE, _X86_64, _LOAD = 2, 62, 1
_READ_EXECUTE, _READ_WRITE = 5, 6


def executable(unit: Unit, entry: int) -> bytes:
    """The ELF file; code and data of `unit` (its first and second section) lie on pages of their own."""
    code, data = unit.sizes.values()
    header = struct.pack(
        "<4sBBBB8xHHIQQQIHHHHHH",
        b"\x7fELF", 2, 1, 1, 0,
        _EXECUTABLE, _X86_64, 1, entry, 64, 0, 0, 64, 56, 2 if data else 1, 64, 0, 0,
    )  # fmt: skip
    segments = _segment(_READ_EXECUTE, PAGE, unit.base, code)
    if data:
        segments += _segment(_READ_WRITE, PAGE + code, unit.base + code, data)
    return (header + segments).ljust(PAGE, b"\0") + unit.code


def _segment(flags: int, offset: int, address: int, size: int) -> bytes:
    return struct.pack("<IIQQQQQQ", _LOAD, flags, offset, address, address, size, size, PAGE)
