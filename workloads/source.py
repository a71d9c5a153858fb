"""Source files as placed statements: comments gone, `;` and labels split off, sections told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from workloads.errors import AssemblyError, Place

COMMON = ""
SECTIONS = ("kernel", "kernel_data", "user", "user_data")
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])')""")
_LABEL = re.compile(r"\s*([.%]{0,2}[A-Za-z_\\][\w\\]*)\s*:(?!:)")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement and where it stands; `used_at` is the outermost macro use that produced it."""

    text: str
    place: Place
    section: str
    used_at: Place | None = None

    @property
    def word(self) -> str:
        """The mnemonic, directive or macro name."""
        return self.text.split(None, 1)[0]

    @property
    def rest(self) -> str:
        """What follows the first word."""
        return self.text[len(self.word) :].strip()

    def with_text(self, text: str) -> Statement:
        """The same place with another text."""
        return replace(self, text=text)

    def error(self, sentence: str) -> AssemblyError:
        """An error at this statement."""
        used = f" (in a macro used at {self.used_at})" if self.used_at else ""
        return AssemblyError(self.place, sentence + used)


def read(path: Path, shown: str | None = None) -> list[Statement]:
    """The statements of a file, header comments skipped; AssemblyError for an unknown section."""
    return list(parse(path.read_text(encoding="utf-8"), shown or str(path)))


def parse(text: str, file: str, section: str = COMMON) -> Iterator[Statement]:
    """The statements of `text`; `@name` lines switch the section."""
    for number, line in enumerate(text.splitlines(), 1):
        place = Place(file, number)
        if line.startswith("@"):
            section = line.split("#")[0].strip()[1:]
            if section not in SECTIONS:
                known = ", ".join("@" + name for name in SECTIONS)
                raise AssemblyError(place, f"there is no section @{section}; sections are {known}")
            continue
        for text_of_one in _statements(line):
            yield Statement(text_of_one, place, section)


def outside_quotes(text: str) -> list[str]:
    """`text` cut into pieces; those at odd positions are quoted."""
    return _QUOTED.split(text)


def _statements(line: str) -> Iterator[str]:
    parts = [""]
    for position, piece in enumerate(outside_quotes(line)):
        if position % 2:
            parts[-1] += piece
            continue
        code, comment, _ = piece.partition("#")
        first, *others = code.split(";")
        parts[-1] += first
        parts += others
        if comment:
            break
    for part in parts:
        yield from _labels_apart(part)


def _labels_apart(part: str) -> Iterator[str]:
    while match := _LABEL.match(part):
        yield match[1] + ":"
        part = part[match.end() :]
    if part.strip():
        yield part.strip()
