"""A host's measured exits as a profile: what perf or KVM counted in so many seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from results.advice.activities import ACTIVITIES, BY_KVM
from results.advice.profile import Rates
from results.errors import ResultsError
from results.host import names, reader

_BY_COUNTER = {names.counter(a.kvm): a for a in ACTIVITIES if a.kvm}
_BY_COUNTER["device.mmio"] = _BY_COUNTER["exit.ept_misconfiguration"]


@dataclass(frozen=True, slots=True)
class Measured:
    """Events per second by activity, and the exits per second that no activity stands for, by the host's name."""

    rates: Rates
    left_out: Mapping[str, float]


def read(path: Path, seconds: float) -> Measured:
    """The exits of a file that `compare-host` reads, counted for `seconds` on one processor.

    Where a file counts the same event under two names, the larger count holds. ResultsError when it has none
    that an activity stands for.
    """
    rates: Rates = {}
    left_out: dict[str, float] = {}
    for item in reader.read(path):
        counter, rate = names.counter(item.name), item.count / seconds
        if activity := _BY_COUNTER.get(counter):
            rates[activity.name] = max(rates.get(activity.name, 0.0), rate)
        elif counter and counter.startswith("exit.") and rate:
            left_out[item.name] = rate
    if not any(rates.values()):
        known = ", ".join(BY_KVM)
        raise ResultsError(f"{path} counts no exits that can be advised on; those are {known}")
    return Measured(rates, left_out)
