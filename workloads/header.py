"""The header of a workload file: TOML in comment lines `#: key = value`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workloads.errors import Place, WorkloadError

SIZES = ("small", "standard", "large")
MAXIMUM_PARAMETERS = 16
SECTOR = 512
DEFAULT_RAM_MIB = 32
Parameters = dict[str, int]
_TOML_LINE = re.compile(r"at line (\d+)")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_VARIANT = re.compile(r"[a-z0-9][a-z0-9.-]*\Z")


@dataclass(frozen=True, slots=True)
class Header:
    """What a workload file says about itself; `sizes` maps a size to parameters in declared order."""

    title: str
    stresses: str
    outcome: str
    sizes: dict[str, Parameters]
    family: str | None = None
    variants: dict[str, dict[str, Parameters]] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    expect: dict[str, str] = field(default_factory=dict)
    slots: tuple[str, ...] = ()
    budget: int | None = None
    ram_mib: int = DEFAULT_RAM_MIB
    disk: str | None = None


def parse(text: str, file: str) -> Header:
    """The header of a workload's source text; WorkloadError names the line of what is wrong."""
    lines = [(number, line[2:].strip()) for number, line in _header_lines(text)]
    if not lines:
        raise WorkloadError(
            Place(file, 1), "a workload starts with a header of lines '#: key = value'"
        )
    return _Reader(file, lines).header()


def _header_lines(text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.startswith("#:")]


class _Reader:
    """Checks the header's table, key by key."""

    def __init__(self, file: str, lines: list[tuple[int, str]]) -> None:
        self._path = file
        self._lines = lines
        try:
            self._table: dict[str, Any] = tomllib.loads("\n".join(line for _, line in lines))
        except tomllib.TOMLDecodeError as error:
            match = _TOML_LINE.search(str(error))
            at = lines[min(int(match[1]), len(lines)) - 1 if match else -1][0]
            problem = str(error).split(" (")[0].lower()
            raise WorkloadError(Place(file, at), f"the header is not TOML: {problem}") from None

    def header(self) -> Header:
        unknown = set(self._table) - set(Header.__dataclass_fields__) - set(SIZES)
        if unknown or "sizes" in self._table:
            name = min(unknown | {"sizes"} & set(self._table))
            raise self._error(name, f"the header knows no key {name!r}")
        texts = {key: self._take(key, str) for key in ("title", "stresses", "outcome")}
        sizes = {size: self._parameters(size, self._take(size, dict)) for size in SIZES}
        for size in SIZES[1:]:
            if list(sizes[size]) != list(sizes[SIZES[0]]):
                raise self._error(size, f"{size} must give the same parameters as small, in order")
        return Header(
            **texts,
            sizes=sizes,
            variants=self._variants(sizes),
            family=self._optional("family", str, None),
            needs=tuple(self._optional("needs", list, [])),
            expect=self._optional("expect", dict, {}),
            slots=tuple(self._optional("slots", list, [])),
            budget=self._positive("budget", None),
            ram_mib=self._positive("ram_mib", DEFAULT_RAM_MIB) or DEFAULT_RAM_MIB,
            disk=self._file("disk"),
        )

    def _file(self, key: str) -> str | None:
        """A file beside the workload, of at least a sector; WorkloadError if it cannot be read."""
        name: str | None = self._optional(key, str, None)
        if name is None:
            return None
        path = Path(self._path).parent / name
        try:
            size = path.stat().st_size if path.is_file() else 0
        except OSError as error:
            raise self._error(key, f"{path} cannot be read: {error.strerror}") from None
        if size < SECTOR:
            raise self._error(key, f"{path} is no file of at least {SECTOR} bytes, a sector")
        return str(path)

    def _error(self, key: str, sentence: str) -> WorkloadError:
        pattern = re.compile(rf'\[?\s*"?{re.escape(key)}"?\s*[\]=.]')
        line = next((n for n, text in self._lines if pattern.match(text)), self._lines[0][0])
        return WorkloadError(Place(self._path, line), sentence)

    def _take(self, key: str, kind: type) -> Any:
        if key not in self._table:
            raise self._error(key, f"the header lacks {key!r}")
        return self._optional(key, kind, None)

    def _optional(self, key: str, kind: type, default: Any) -> Any:
        value = self._table.get(key, default)
        if key in self._table and not isinstance(value, kind):
            raise self._error(key, f"{key!r} must be a {_KINDS[kind]}")
        return value

    def _positive(self, key: str, default: int | None) -> int | None:
        value: int | None = self._optional(key, int, default)
        if value is not None and value <= 0:
            raise self._error(key, f"{key!r} must be positive")
        return value

    def _parameters(self, key: str, table: Mapping[str, Any]) -> Parameters:
        if len(table) > MAXIMUM_PARAMETERS:
            raise self._error(key, f"{key} gives more than {MAXIMUM_PARAMETERS} parameters")
        for name, value in table.items():
            if not _NAME.match(name):
                raise self._error(key, f"parameter {name!r} is not a lower-case name")
            if type(value) is not int or not 0 <= value < 1 << 64:
                raise self._error(key, f"parameter {name!r} must be an integer of 64 bits")
        return dict(table)

    def _variants(self, sizes: Mapping[str, Parameters]) -> dict[str, dict[str, Parameters]]:
        result = {}
        for name, table in self._optional("variants", dict, {}).items():
            if not _VARIANT.match(name) or not isinstance(table, dict):
                raise self._error(name, f"variant {name!r} must be a lower-case name of a table")
            result[name] = {size: self._overridden(name, size, table, sizes) for size in SIZES}
        return result

    def _overridden(
        self, name: str, size: str, table: Mapping[str, Any], sizes: Mapping[str, Parameters]
    ) -> Parameters:
        common = {key: value for key, value in table.items() if key not in SIZES}
        special = table.get(size, {})
        if not isinstance(special, dict):
            raise self._error(name, f"{size!r} of variant {name!r} must be a table")
        changes = self._parameters(name, common | special)
        for parameter in changes:
            if parameter not in sizes[size]:
                raise self._error(name, f"variant {name!r} sets an undeclared {parameter!r}")
        return sizes[size] | changes


_KINDS = {str: "string", int: "whole number", dict: "table", list: "list"}
