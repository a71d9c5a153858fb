"""Which costs a comparison hangs on: each cost alone goes to its low and its high."""

from __future__ import annotations

import numpy as np
import pandas as pd

from hardware_model.cost_table import COSTS, KEYS
from hardware_model.presets import Preset
from results import costs
from results.cycles import Amounts
from results.uncertainty import native_positions

_NOTICEABLE = 0.02


def tornado(amounts: Amounts, preset: Preset, numerator: int, denominator: int) -> pd.DataFrame:
    """How the ratio of two cells (rows of `amounts`) moves when one cost alone goes to its bounds.

    One row per cost, the widest `swing` first: `cost`, `at_low`, `at_high`, `swing`.
    """
    at_low, at_high = _ends(amounts.values[[numerator]], amounts.values[[denominator]], preset)
    table = pd.DataFrame({"cost": KEYS, "at_low": at_low[0], "at_high": at_high[0]})
    table["swing"] = (table["at_high"] - table["at_low"]).abs()
    return table.sort_values("swing", ascending=False, ignore_index=True)


def over_all_cells(amounts: Amounts, preset: Preset) -> pd.DataFrame:
    """How much each cost moves the cells' cycles over native, the weightiest first.

    One row per cost that moves any: `cost`, `component`, `value`, `low`, `high` (cycles), `cells`
    (how many it moves by more than 2 %), `mean` (the mean over all cells of the ratio at one bound
    over that at the other, less 1), and `workload`, `technique`, `at_low`, `at_high` of the cell that it
    moves most.
    """
    base = native_positions(amounts.cells)
    chosen = np.flatnonzero((base >= 0) & (base != np.arange(len(base))))
    chosen = chosen[amounts.values[base[chosen]].any(axis=1)]
    cells = amounts.cells.iloc[chosen]
    at_low, at_high = _ends(amounts.values[chosen], amounts.values[base[chosen]], preset)
    spread = np.exp(np.abs(np.log(at_high / at_low))) - 1
    rows = [
        _row(key, preset, cells, at_low[:, n], at_high[:, n], spread[:, n])
        for n, key in enumerate(KEYS)
        if len(cells) and spread[:, n].max() > 0
    ]
    columns = [*_COST, *_CELL]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("mean", ascending=False, ignore_index=True)


_COST = ("cost", "component", "value", "low", "high", "cells", "mean")
_CELL = ("workload", "technique", "at_low", "at_high")
_COMPONENT = {cost.key: cost.component for cost in COSTS}


def _row(
    key: str,
    preset: Preset,
    cells: pd.DataFrame,
    at_low: costs.Matrix,
    at_high: costs.Matrix,
    spread: costs.Matrix,
) -> tuple[object, ...]:
    most = int(spread.argmax())
    cell, cost = cells.iloc[most], preset.costs[key]
    moved = int((spread > _NOTICEABLE).sum())
    return (
        *(key, _COMPONENT[key], cost.value, cost.low, cost.high, moved, float(spread.mean())),
        *(cell["workload"], cell["technique"], float(at_low[most]), float(at_high[most])),
    )


def _ends(
    cells: costs.Matrix, bases: costs.Matrix, preset: Preset
) -> tuple[costs.Matrix, costs.Matrix]:
    """Ratios with the axes (cells, costs): each cost at its low, and at its high."""
    value = costs.vector(preset)
    totals = [(part @ value)[:, np.newaxis] for part in (cells, bases)]

    def at(bound: costs.Bound) -> costs.Matrix:
        step = costs.vector(preset, bound) - value
        return np.asarray((totals[0] + cells * step) / (totals[1] + bases * step))

    return at("low"), at("high")
