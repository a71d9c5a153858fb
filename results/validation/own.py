"""A user's own measurements: rows like the published ones, which name their experiment themselves."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from pathlib import Path
from typing import Any

import pandas as pd

from hardware_model import presets
from hardware_model.cost_table import KEYS
from hardware_model.presets import DEFAULT
from results import published
from results.errors import ResultsError
from results.validation.experiments import Experiment, Quantity

EXTRA = ("workload", "preset", "operation", "events")
"""Columns beside the published ones; all but `workload` may be empty or absent."""

_QUANTITIES: Mapping[str, Quantity] = {
    "cycles": "cycles",
    "x": "times native",
    "%": "times native",
    "s": "latency",
    "ms": "latency",
    "us": "latency",
    "ns": "latency",
}


def read(path: Path) -> pd.DataFrame:
    """The rows of a CSV with the published columns, and those of `EXTRA`.

    Raises ResultsError, with file and row, for what cannot be compared.
    """
    table = published.read(path)
    for name in EXTRA:
        if name not in table.columns:
            table[name] = ""
    for line, row in enumerate(table.to_dict("records"), 2):
        _check(row, f"{path}, row {line}")
    return table


def experiment(row: Mapping[Any, Any]) -> Experiment | None:
    """The experiment that a row names; None when it names none."""
    if not row.get("workload") or not isinstance(row["workload"], str):
        return None
    quantity = _QUANTITIES[str(row["unit"])]
    preset = str(row["preset"] or DEFAULT)
    return Experiment(
        (row["workload"],),
        preset,
        quantity,
        str(row["operation"]),
        events=float(row["events"] or 1),
        clock=presets.load(preset).frequency.value,
    )


_NEEDED = ("source_id", "benchmark", "technique", "unit")


def _check(row: Mapping[Any, Any], place: str) -> None:
    if empty := [name for name in _NEEDED if not row[name]]:
        raise ResultsError(f"{place}: {empty[0]} is empty")
    if not isfinite(row["value"]):
        raise ResultsError(f"{place}: value is not a number")
    if not row["workload"]:
        return
    unit, operation = str(row["unit"]), row["operation"]
    if unit not in _QUANTITIES:
        raise ResultsError(f"{place}: the unit {unit!r} is none of {', '.join(_QUANTITIES)}")
    if _QUANTITIES[unit] != "times native" and operation not in KEYS:
        raise ResultsError(
            f"{place}: operation is {operation!r}; {unit} of one operation need a cost of the cost "
            "table whose native events are operations"
        )
    try:
        counted = float(row["events"] or 1)
    except ValueError:
        counted = nan
    if not (isfinite(counted) and counted > 0):
        raise ResultsError(f"{place}: events is {row['events']!r}, not a number above 0")
    presets.load(str(row["preset"] or DEFAULT))
