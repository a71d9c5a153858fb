"""ELF64 executables for x86-64: program segments, symbols and notes (System V ABI, AMD64 supplement)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from hardware_model.linux_boot.errors import KernelError

MAGIC = b"\x7fELF\x02\x01"
_MACHINE_X86_64 = 62
_HEADER = struct.Struct("<16xHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_NOTE = struct.Struct("<III")
ET_EXEC, ET_DYN = 2, 3
PT_LOAD, PT_NOTE = 1, 4
SHT_SYMTAB = 2
_NAMED_TYPES = (0, 1, 2)  # NOTYPE, OBJECT, FUNC


@dataclass(frozen=True, slots=True)
class Segment:
    """A loadable segment: `data` at physical address `physical`, zeros up to `size`; linked to run at `linear`."""

    linear: int
    physical: int
    data: bytes
    size: int


@dataclass(frozen=True, slots=True)
class Note:
    """A note: who defined it (`name`), its `type` and its bytes."""

    name: str
    type: int
    data: bytes


class Elf:
    """The executable in `data`, which came from `source` (for messages).

    Raises KernelError if it is none, or if its segments cannot be loaded.
    """

    def __init__(self, data: bytes, source: str) -> None:
        if not data.startswith(MAGIC) or len(data) < 64:
            raise KernelError(f"{source}: not a 64-bit little-endian ELF file")
        self._data, self.source = data, source
        header = _HEADER.unpack_from(data)
        if header[1] != _MACHINE_X86_64:
            raise KernelError(f"{source}: an ELF file for machine {header[1]}, not for x86-64")
        if header[0] not in (ET_EXEC, ET_DYN):
            raise KernelError(f"{source}: an ELF file of type {header[0]}, no executable")
        self.entry = header[3]
        self._segments_at, self._sections_at = header[4], header[5]
        self._segment_count, self._section_count = header[9], header[11]
        if self._segment_count and header[8] != _SEGMENT.size:
            raise KernelError(
                f"{source}: program headers of {header[8]} bytes, not {_SEGMENT.size}"
            )
        self._check(self.segments())

    def _check(self, segments: list[Segment]) -> None:
        """No segment may be longer in the file than in memory, or lie upon another."""
        end = 0
        for segment in sorted(segments, key=lambda segment: segment.physical):
            where = f"{self.source}: the segment at {segment.physical:#x}"
            if len(segment.data) > segment.size:
                raise KernelError(f"{where} has {len(segment.data)} bytes for {segment.size}")
            if segment.size and segment.physical < end:
                raise KernelError(f"{where} overlaps another, which ends at {end:#x}")
            end = max(end, segment.physical + segment.size)

    def _headers(self) -> Iterator[tuple[int, ...]]:
        for index in range(self._segment_count):
            yield self._unpack(_SEGMENT, self._segments_at + _SEGMENT.size * index)

    def _unpack(self, layout: struct.Struct, at: int) -> tuple[int, ...]:
        if at + layout.size > len(self._data):
            raise KernelError(f"{self.source}: cut short; byte {at:#x} of its headers is missing")
        return layout.unpack_from(self._data, at)

    def _bytes(self, offset: int, size: int) -> bytes:
        if offset + size > len(self._data):
            raise KernelError(f"{self.source}: cut short; it ends before byte {offset + size:#x}")
        return self._data[offset : offset + size]

    def segments(self) -> list[Segment]:
        """The loadable segments, in file order."""
        return [
            Segment(linear, physical, self._bytes(offset, in_file), in_memory)
            for kind, _, offset, linear, physical, in_file, in_memory, _ in self._headers()
            if kind == PT_LOAD
        ]

    def notes(self) -> list[Note]:
        """Every note of the note segments."""
        found = []
        for kind, _, offset, _, _, size, _, _ in self._headers():
            if kind == PT_NOTE:
                found += list(_notes(self._bytes(offset, size)))
        return found

    def symbols(self) -> dict[str, int]:
        """Named functions and objects with their addresses; empty if the file was stripped, KernelError for damage."""
        sections = [
            self._unpack(_SECTION, self._sections_at + _SECTION.size * index)
            for index in range(self._section_count)
        ]
        names: dict[str, int] = {}
        for section in sections:
            if section[1] == SHT_SYMTAB:
                if section[6] >= len(sections) or section[5] % _SYMBOL.size:
                    raise KernelError(f"{self.source}: its symbol table is damaged")
                strings = sections[section[6]]
                names |= _symbols(
                    self._bytes(section[4], section[5]), self._bytes(strings[4], strings[5])
                )
        return names


def _notes(data: bytes) -> Iterator[Note]:
    at = 0
    while at + _NOTE.size <= len(data):
        name_size, size, kind = _NOTE.unpack_from(data, at)
        at += _NOTE.size
        name = data[at : at + name_size].rstrip(b"\0").decode("latin-1")
        at += -(-name_size // 4) * 4
        yield Note(name, kind, data[at : at + size])
        at += -(-size // 4) * 4


def _symbols(table: bytes, strings: bytes) -> dict[str, int]:
    found = {}
    for name_at, info, _, section, value, _ in _SYMBOL.iter_unpack(table):
        if section and info & 0xF in _NAMED_TYPES and name_at:
            end = strings.find(b"\0", name_at)
            found[strings[name_at : end if end >= 0 else None].decode("latin-1")] = value
    return found
