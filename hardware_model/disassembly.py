"""Machine code as text, and passages of it side by side."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from iced_x86 import Code, Decoder, DecoderOptions, Formatter, FormatterSyntax, Instruction

_NUMBER = re.compile(r"0x([0-9a-f]{4,16})\b")


@dataclass(frozen=True, slots=True)
class Line:
    """One instruction: linear `address` and `text`."""

    address: int
    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """Guest code beside what a technique made of it: `rows` of (guest instructions, instructions in their place)."""

    title: str
    rows: tuple[tuple[tuple[Line, ...], tuple[Line, ...]], ...]


def _formatter() -> Formatter:
    made = Formatter(FormatterSyntax.INTEL)
    made.hex_prefix, made.hex_suffix, made.uppercase_hex = "0x", "", False
    made.leading_zeros = False
    made.branch_leading_zeros = False
    made.space_after_operand_separator = True
    made.show_branch_size = False
    return made


_FORMATTER = _formatter()


Names = Callable[[int], str | None]
"""The name of a linear address, None if it has none."""


def text_of(instruction: Instruction, name: Names) -> str:
    """The instruction in Intel syntax; numbers that `name` has names for are replaced by them."""

    def named(found: re.Match[str]) -> str:
        return name(int(found[1], 16)) or found[0]

    return _NUMBER.sub(named, _FORMATTER.format(instruction))


def disassemble(code: bytes, address: int, name: Names, *, bounds: bool = False) -> list[Line]:
    """The instructions of `code` at linear `address`; bytes that are none are shown as `.byte`.

    `bounds`: for a processor that checks bounds, to others BNDCL and BNDCU are NOPs.
    """
    lines = []
    options = DecoderOptions.MPX if bounds else DecoderOptions.NONE
    for instruction in Decoder(64, code, options, ip=address):
        at = instruction.ip - address
        text = text_of(instruction, name)
        if instruction.code == Code.INVALID:
            text = ".byte " + ", ".join(f"{b:#04x}" for b in code[at : at + instruction.len])
        lines.append(Line(instruction.ip, text))
    return lines


class Symbols:
    """Names of linear addresses between `begin` and `end`, from a symbol table."""

    def __init__(self, symbols: Mapping[str, int], begin: int, end: int) -> None:
        ordered = sorted((address, name) for name, address in symbols.items())
        self._addresses = [address for address, _ in ordered]
        self._names = [name for _, name in ordered]
        self._range = range(begin, end)

    def __call__(self, address: int) -> str | None:
        """`symbol` or `symbol+0x12`."""
        position = bisect_right(self._addresses, address) - 1
        if position < 0 or address not in self._range:
            return None
        offset = address - self._addresses[position]
        return self._names[position] + (f"+{offset:#x}" if offset else "")
