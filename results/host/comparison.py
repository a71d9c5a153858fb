"""A host's counts beside those of the model's cells."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import pandas as pd

from results.host import names
from results.host.reader import HostCount
from results.run import Run

COLUMNS = ("name", "counter", "host", "host_share", "model", "model_share", "microseconds", "note")
_EXITS = "exits"


def compare(host: Sequence[HostCount], run: Run, technique: str) -> pd.DataFrame:
    """One row for each of the host's names, and one for each exit that only the model had.

    `host` and `model` are counts, the model's over the equivalent cells of `technique` in `run`
    (regions of interest); a share is of all exits, so that runs of different length compare.
    `microseconds` is the host's mean time. `note` says why a name has no counter.
    """
    model = _counted(run, technique)
    model_exits, host_exits = model.get(_EXITS, 0), _exits(host)
    seen = set()
    rows: list[tuple[object, ...]] = []
    for item in host:
        counter = names.counter(item.name)
        seen.add(counter)
        count = model.get(counter, 0) if counter else nan
        share = _share(item.count if counter else nan, host_exits)
        note = "" if counter else names.why_not(item.name)
        found = item.name, counter or "", item.count, share, count, _share(count, model_exits)
        rows.append((*found, item.microseconds, note))
    for counter, count in sorted(model.items()):
        if counter.startswith("exit.") and counter not in seen:
            share = _share(count, model_exits)
            rows.append(("", counter, 0, 0.0, count, share, nan, "the host had none"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _counted(run: Run, technique: str) -> dict[str, int]:
    counted = run.valid_counters()
    chosen = counted[(counted["technique"] == technique) & (counted["scope"] == "roi")]
    totals = chosen.groupby("counter")["value"].sum()
    return {str(name): int(value) for name, value in totals.items() if value}


def _exits(host: Sequence[HostCount]) -> int:
    """The host's exits: what it calls so, or else the sum over the reasons."""
    by_counter: dict[str, int] = {}
    for item in host:
        counter = names.counter(item.name)
        if counter is not None:
            by_counter[counter] = max(by_counter.get(counter, 0), item.count)
    reasons = sum(n for name, n in by_counter.items() if name.startswith("exit."))
    return by_counter.get(_EXITS, 0) or reasons


def _share(count: float, exits: int) -> float:
    return count / exits if exits else nan
