"""The text of `perf kvm stat report` and `perf kvm stat live`.

Source: Linux, tools/perf/builtin-kvm.c, print_result: a header, and for each event its name, samples, two shares,
and the least, greatest and mean time. perf before 3.16 gave the mean alone. A report may have several such
blocks (one for each interval of `live`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from results.errors import ResultsError
from results.host.count import HostCount

_HEADER = re.compile(r"^\s*(?P<kind>VM-EXIT|MMIO Access|IO Port Access|MSR Access)\s+Samples\b")
_ROW = re.compile(
    r"^\s*(?P<name>\w+)\s+(?P<count>[\d,]+)\s+[\d.]+%\s+[\d.]+%"
    r"(?:\s+[\d.]+us\s+[\d.]+us)?\s+(?P<mean>[\d.]+)us"
)
_EXITS = "VM-EXIT"


def counts(path: Path, lines: Iterable[str]) -> Iterator[HostCount]:
    """The exits of a report; nothing if it is none. ResultsError for one of other events."""
    inside = False
    for line in lines:
        if header := _HEADER.match(line):
            if header["kind"] != _EXITS:
                raise ResultsError(
                    f"{path} is a report of {header['kind']}: make one of exits, "
                    "with perf kvm stat report --event=vmexit"
                )
            inside = True
        elif inside and (match := _ROW.match(line)):
            number = int(match["count"].replace(",", ""))
            yield HostCount(match["name"], number, float(match["mean"]))
