"""Instructions of translated code: assembled once by Keystone, then patched with addresses and constants.

In a template's text `{field}` is the field of that name of the state page (`{field:dword}` its low half,
`{field+offset:byte}` a byte behind it),
and `#` an immediate or displacement to be patched: 32 bits, 64 bits in MOVABS.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from functools import cache

from keystone import KS_ARCH_X86, KS_MODE_64, Ks

from hardware_model.assembly_numbers import hexadecimal
from techniques.binary_translation.layout import STATE_FIELDS

_FIELD = re.compile(r"\{(\w+)(?:\+(\w+))?(?::(\w+))?\}")
_FIELD_MARK, _VALUE_MARK = 0x7F000000, 0x7E5A3C1E
_WIDE_MARK = 0x7E5A3C1E7E5A3C1E
_DISTANCE = struct.Struct("<i").pack


@dataclass(frozen=True, slots=True)
class Template:
    """Machine code of one instruction; `field` at `field_at` and a value at `value_at` are to be patched."""

    code: bytes
    field_at: int = -1
    field: int = 0
    value_at: int = -1
    wide: bool = False
    before: bytes = b""  # the code before and behind the field
    after: bytes = b""

    def at(self, address: int, state: int, value: int = 0) -> bytes:
        """The instruction for linear `address`, with the state page at linear `state`."""
        if self.value_at < 0:
            if self.field_at < 0:
                return self.code
            distance = state + self.field - (address + len(self.code))
            return self.before + _DISTANCE(distance) + self.after
        code = bytearray(self.code)
        if self.field_at >= 0:
            distance = state + self.field - (address + len(code))
            struct.pack_into("<i", code, self.field_at, distance)
        if self.value_at >= 0:
            size = 64 if self.wide else 32
            struct.pack_into("<Q" if self.wide else "<I", code, self.value_at, value % (1 << size))
        return bytes(code)


@cache
def _assembler() -> Ks:
    return Ks(KS_ARCH_X86, KS_MODE_64)


@cache
def template(text: str) -> Template:
    """The template for one instruction."""
    wide = text.startswith("movabs")
    field = 0

    def place(match: re.Match[str]) -> str:
        nonlocal field
        field = STATE_FIELDS[match[1]] + int(match[2] or "0", 0)
        return f"{match[3] or 'qword'} ptr [rip + {_FIELD_MARK + field:#x}]"

    source = _FIELD.sub(place, text).replace("#", hex(_WIDE_MARK if wide else _VALUE_MARK))
    source = hexadecimal(source)
    code = bytes(_assembler().asm(source)[0])
    field_at = code.find(struct.pack("<I", _FIELD_MARK + field)) if "{" in text else -1
    mark = struct.pack("<Q", _WIDE_MARK) if wide else struct.pack("<I", _VALUE_MARK)
    value_at = code.find(mark) if "#" in text else -1
    before, after = code[: max(field_at, 0)], code[field_at + 4 :]
    return Template(code, field_at, field, value_at, wide, before, after)
