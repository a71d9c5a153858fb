"""Reads what a host reports: one count, and one mean time where there is one, by the host's own name."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import nan
from pathlib import Path

from results.errors import ResultsError


@dataclass(frozen=True, slots=True)
class HostCount:
    """How often the host saw `name`, and the mean `microseconds` it took, NaN if it does not tell."""

    name: str
    count: int
    microseconds: float = nan


_PERF_HEADER = re.compile(r"^\s*VM-EXIT\s+Samples")
_PERF_ROW = re.compile(
    r"^\s*(?P<name>\w+)\s+(?P<count>[\d,]+)\s+[\d.]+%\s+[\d.]+%"
    r"(?:\s+[\d.]+us\s+[\d.]+us)?\s+(?P<mean>[\d.]+)us"
)
_FIRST_COLUMNS = ("timestamp", "date", "time")
_NAME_COLUMNS = ("name", "stat", "event", "counter")
_VALUE_COLUMNS = ("value", "count", "total")


def read(path: Path) -> list[HostCount]:
    """The counts of a file; ResultsError when it cannot be read or is of no known kind.

    Known are the text of `perf kvm stat report`, the CSV log of `kvm_stat` (a row for each interval,
    a column for each event; the intervals are added up), and statistics as CSV with a column for
    names and one for values.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ResultsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ResultsError(f"{path} is no text") from error
    found = _perf(lines) or _csv(path, lines)
    if not found:
        raise ResultsError(
            f"{path} is neither a report of perf kvm stat nor a CSV file of KVM statistics"
        )
    return found


def _perf(lines: Iterable[str]) -> list[HostCount]:
    rows, inside = [], False
    for line in lines:
        inside = inside or bool(_PERF_HEADER.match(line))
        if inside and (match := _PERF_ROW.match(line)):
            count = int(match["count"].replace(",", ""))
            rows.append(HostCount(match["name"], count, float(match["mean"])))
    return rows


def _csv(path: Path, lines: list[str]) -> list[HostCount]:
    rows = [row for row in csv.reader(line for line in lines if line.strip()) if row]
    if len(rows) < 2:
        return []
    header = [cell.strip().lower() for cell in rows[0]]
    if header[0] in _FIRST_COLUMNS:
        return _log(path, [cell.strip() for cell in rows[0]], rows[1:])
    name = next((n for n, cell in enumerate(header) if cell in _NAME_COLUMNS), None)
    value = next((n for n, cell in enumerate(header) if cell in _VALUE_COLUMNS), None)
    if name is None or value is None:
        return []
    return [
        HostCount(_cell(path, row, name, line), _integer(path, _cell(path, row, value, line), line))
        for line, row in enumerate(rows[1:], 2)
    ]


def _log(path: Path, names: list[str], rows: list[list[str]]) -> list[HostCount]:
    totals = dict.fromkeys(names[1:], 0)
    for line, row in enumerate(rows, 2):
        for column, name in enumerate(names[1:], 1):
            totals[name] += _integer(path, _cell(path, row, column, line), line)
    return [HostCount(name, total) for name, total in totals.items()]


def _cell(path: Path, row: list[str], column: int, line: int) -> str:
    if column >= len(row):
        raise ResultsError(f"{path}, row {line}: there is no column {column + 1}")
    return row[column].strip()


def _integer(path: Path, text: str, line: int) -> int:
    try:
        return int(text) if text else 0
    except ValueError:
        raise ResultsError(f"{path}, row {line}: {text!r} is no whole number") from None
