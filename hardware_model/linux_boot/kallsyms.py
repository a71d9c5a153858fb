"""A kernel's own symbol table, kallsyms, read from its image: distributions strip the ELF one.

The tables have no names; they are recognized by their shape (scripts/kallsyms.c, kernel/kallsyms.c). In order:

    up to 6.3    offsets, relative_base, num_syms, names, markers, (seqs_of_names,) token_table, token_index
    since 6.4    num_syms, names, markers, token_table, token_index, offsets, relative_base

`names` has for each symbol a length and that many tokens; the first character that they spell is the symbol's type.
`markers` has the position in `names` of every 256th symbol.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from hardware_model.linux_boot.elf import Elf

_DIGITS = b"".join(b"%d\0" % digit for digit in range(10))
_TOKENS, _STRIDE, _ALIGN = 256, 256, 8
_CODE = frozenset("tTwW")
_KERNEL_HALF = 0xFFFF_8000_0000_0000
_KERNEL_TEXT = 0xFFFF_FFFF_8000_0000
_MOST = 1_000_000
"""Symbols that a kernel may have."""
_WORD = (1 << 64) - 1


def symbols(kernel: Elf) -> dict[str, int]:
    """The functions of the kernel with their linear addresses; empty if it has no kallsyms."""
    for segment in kernel.segments():
        at = segment.data.find(_DIGITS)
        while at >= 0:
            try:
                found = _Tables.at(segment.data, at)
                if found:
                    return found.code_symbols()
            except (IndexError, ValueError, struct.error):
                pass  # of the right shape, but it leads out of the segment: damage, or something else
            at = segment.data.find(_DIGITS, at + 1)
    return {}


def _aligned(at: int) -> int:
    return -(-at // _ALIGN) * _ALIGN


class _Tables:
    """The tables around the token table of `data`."""

    def __init__(self, data: bytes, tokens: list[str], names: int, count: int) -> None:
        self._data, self._tokens, self._names, self._count = data, tokens, names, count
        self.addresses: list[int] = []

    @classmethod
    def at(cls, data: bytes, digits: int) -> _Tables | None:
        """The tables whose token for "0" stands at `digits`; None if there are none."""
        start = digits
        for _ in range(ord("0")):
            start = data.rfind(b"\0", 0, start - 1) + 1
        parts = data[start : start + 16 * 1024].split(b"\0", _TOKENS)[:_TOKENS]
        index = _aligned(start + sum(len(part) + 1 for part in parts))
        positions = np.cumsum([0, *(len(part) + 1 for part in parts)])[:-1]
        if len(parts) < _TOKENS or data[index : index + 512] != positions.astype("<u2").tobytes():
            return None
        markers = _markers(data, start)
        names = _names(data, start - 4 * len(markers), markers) if len(markers) > 1 else None
        names = names or _names_after_base(data[:start])
        if names is None:
            return None
        tables = cls(data, [part.decode("latin-1") for part in parts], *names)
        tables.addresses = _addresses(data, *names, index + 512)
        return tables if tables.addresses else None

    def code_symbols(self) -> dict[str, int]:
        """Functions by name; the first one where a name is used twice."""
        found: dict[str, int] = {}
        for address, name in zip(self.addresses, self._spelled(), strict=True):
            if name[0] in _CODE:
                found.setdefault(name[1:], address)
        return found

    def _spelled(self) -> Iterator[str]:
        data, at, tokens = self._data, self._names, self._tokens
        for _ in range(self._count):
            length, at = _length(data, at)
            yield "".join([tokens[byte] for byte in data[at : at + length]])
            at += length


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A name's number of tokens, and where they begin."""
    if data[at] < 0x80:
        return data[at], at + 1
    return data[at] & 0x7F | data[at + 1] << 7, at + 2


def _markers(data: bytes, end: int) -> npt.NDArray[np.uint32]:
    """The positions that lie, rising from 0, before the token table."""
    words = np.frombuffer(data[max(end - (1 << 16), 0) : end], "<u4")
    if len(words) and words[-1] == 0:
        words = words[:-1]  # alignment
    falls = np.nonzero(words[:-1] >= words[1:])[0]
    return words[falls[-1] + 1 if len(falls) else 0 :]


def _names(data: bytes, before: int, markers: npt.NDArray[np.uint32]) -> tuple[int, int] | None:
    """Where `names` begins, and how many there are: the count stands before them."""
    blocks = len(markers)
    last = before - int(markers[-1])
    for start in range(last // _ALIGN * _ALIGN, max(last - (1 << 16), 0), -_ALIGN):
        count = struct.unpack_from("<I", data, start - _ALIGN)[0]
        if (blocks - 1) * _STRIDE < count <= blocks * _STRIDE and _fits(data, start, markers):
            return start, count
    return None


def _names_after_base(data: bytes) -> tuple[int, int] | None:
    """Where `names` begins and how many there are, by the base and the count before them and the markers behind."""
    words = np.frombuffer(data[: len(data) // 8 * 8], "<u8")
    counts = words[1:]
    likely = (words[:-1] >= _KERNEL_TEXT) & (counts > _STRIDE) & (counts < _MOST)
    for index in np.nonzero(likely)[0]:
        start, count = 8 * (int(index) + 2), int(counts[index])
        at, block_1 = start, 0
        for number in range(count):
            if at + 1 >= len(data):
                break
            block_1 = at - start if number == _STRIDE else block_1
            length, at = _length(data, at)
            at += length
        if data[_aligned(at) : _aligned(at) + 8] == struct.pack("<II", 0, block_1):
            return start, count
    return None


def _fits(data: bytes, start: int, markers: npt.NDArray[np.uint32]) -> bool:
    at = start
    for _ in range(_STRIDE):
        length, at = _length(data, at)
        at += length
    return at - start == int(markers[1])


def _addresses(data: bytes, names: int, count: int, after: int) -> list[int]:
    """The symbols' addresses, by the layout that gives a base in the kernel's half."""
    size = _aligned(4 * count)
    before = names - _ALIGN - 8
    for base_at, offsets_at in ((before, before - size), (_aligned(after) + size, _aligned(after))):
        base = struct.unpack_from("<Q", data, base_at)[0]
        if base >= _KERNEL_HALF and offsets_at >= 0:
            return _absolute(np.frombuffer(data, "<i4", count, offsets_at), base)
    return []


def _absolute(offsets: npt.NDArray[np.int32], base: int) -> list[int]:
    """If any offset is negative, the others are per-processor addresses; else all count from the base."""
    if (offsets < 0).any():
        return [int(o) if o >= 0 else (base - 1 - int(o)) & _WORD for o in offsets]
    return [(base + int(o)) & _WORD for o in offsets]
