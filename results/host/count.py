"""One figure of a host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isnan, nan


@dataclass(frozen=True, slots=True)
class HostCount:
    """How often the host saw `name`, and the mean `microseconds` it took, NaN if it does not tell."""

    name: str
    count: int
    microseconds: float = nan


def added_up(counts: Iterable[HostCount]) -> list[HostCount]:
    """One count for each name: those of several processors, machines or intervals together."""
    totals: dict[str, list[HostCount]] = {}
    for item in counts:
        totals.setdefault(item.name, []).append(item)
    return [_sum(name, parts) for name, parts in totals.items()]


def _sum(name: str, parts: list[HostCount]) -> HostCount:
    count = sum(part.count for part in parts)
    timed = [part for part in parts if part.count and not isnan(part.microseconds)]
    events = sum(part.count for part in timed)
    time = sum(part.count * part.microseconds for part in timed)
    return HostCount(name, count, time / events if events else nan)
