"""What `kvm_stat` writes: a log as CSV (`-c`) or in columns (`-l`), and one look (`-1`).

Source: Linux, tools/kvm/kvm_stat/kvm_stat (CSVFormat, StdFormat, batch). The rows of a log are intervals, to be
added up; in columns, the names come again every twenty rows. One look gives total and last interval.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from results.errors import ResultsError
from results.host.count import HostCount

_TIME_COLUMNS = ("timestamp", "date", "time")
_NAME_COLUMNS = ("name", "stat", "event", "counter")
_VALUE_COLUMNS = ("value", "count", "total")
_STAMP = re.compile(r"\s*(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s+)?(?P<numbers>\d+(?:\s+\d+)*)\s*$")
_NAMES = re.compile(r"\s*[a-z]\w*(?:\(\w+\))?(?:\s+[a-z]\w*(?:\(\w+\))?)*\s*$")
_LOOK = re.compile(r"(?P<name>[a-z]\w*(?:\(\w+\))?)\s+(?P<total>\d+)\s+\d+\s*$")


def table(path: Path, lines: list[str]) -> Iterator[HostCount]:
    """A CSV log, or a CSV with a column for names and one for values; nothing if it is neither."""
    rows = [row for row in csv.reader(line for line in lines if line.strip()) if row]
    if len(rows) < 2:
        return
    header = [cell.strip().lower() for cell in rows[0]]
    if header[0] in _TIME_COLUMNS:
        yield from _log(path, [cell.strip() for cell in rows[0]], rows[1:])
        return
    name = next((n for n, cell in enumerate(header) if cell in _NAME_COLUMNS), None)
    value = next((n for n, cell in enumerate(header) if cell in _VALUE_COLUMNS), None)
    if name is None or value is None:
        return
    for line, row in enumerate(rows[1:], 2):
        yield HostCount(
            _cell(path, row, name, line), _integer(path, _cell(path, row, value, line), line)
        )


def columns(path: Path, lines: list[str]) -> Iterator[HostCount]:
    """A log in columns; nothing if it is none."""
    names: list[str] = []
    for line, text in enumerate(lines, 1):
        if names and (match := _STAMP.match(text)):
            numbers = match["numbers"].split()
            if len(numbers) != len(names):
                raise ResultsError(
                    f"{path}, row {line}: {len(numbers)} numbers for {len(names)} names"
                )
            for name, number in zip(names, numbers, strict=True):
                yield HostCount(name, int(number))
        elif _NAMES.match(text):
            names = text.split()


def look(path: Path, lines: list[str]) -> Iterator[HostCount]:
    """The total of each event of `kvm_stat -1`; nothing if it is none."""
    for text in lines:
        if match := _LOOK.match(text):
            yield HostCount(match["name"], int(match["total"]))


def _log(path: Path, names: list[str], rows: list[list[str]]) -> Iterator[HostCount]:
    for line, row in enumerate(rows, 2):
        for column, name in enumerate(names[1:], 1):
            yield HostCount(name, _integer(path, _cell(path, row, column, line), line))


def _cell(path: Path, row: list[str], column: int, line: int) -> str:
    if column >= len(row):
        raise ResultsError(f"{path}, row {line}: there is no column {column + 1}")
    return row[column].strip()


def _integer(path: Path, text: str, line: int) -> int:
    try:
        return int(text) if text else 0
    except ValueError:
        raise ResultsError(f"{path}, row {line}: {text!r} is no whole number") from None
