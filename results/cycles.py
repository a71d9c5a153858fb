"""Cycles and ratios of a counters table on a preset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from hardware_model import presets
from hardware_model.cost_table import COMPONENTS, COSTS
from hardware_model.presets import Preset
from results import costs
from results.cell import IDENTITY, NATIVE
from results.costs import Matrix

ROI = "roi"
_KEYS = list(IDENTITY)
_BASELINE = [name for name in IDENTITY if name not in ("technique", "knobs", "io")]


@dataclass(frozen=True, slots=True)
class Amounts:
    """How often each cell incurred each cost.

    `cells` has one row per cell with the columns of `results.cell.Cell`; `values` the axes
    (cells, costs) in the order of `hardware_model.cost_table.COSTS`.
    """

    cells: pd.DataFrame
    values: Matrix


Counters = pd.DataFrame | Amounts
"""A counters table, or the amounts made of one, which save the work for another preset."""


def amounts(counters: pd.DataFrame, scope: str = ROI) -> Amounts:
    """The amounts of a counters table: one row per cell, scope and counter.

    Raises UncostedCounterError for a counter that has neither a cost nor a reason to have none.
    """
    chosen = counters[counters["scope"] == scope]
    for name in chosen["counter"].unique():
        costs.check_counter(name)
    groups = chosen.groupby(_KEYS, sort=True)
    cells = groups.size().index.to_frame(index=False)
    rows = groups.ngroup().to_numpy()
    columns = pd.Index(costs.COSTED).get_indexer(pd.Index(chosen["counter"]))
    counts = np.zeros((len(cells), len(costs.COSTED)))
    costed = columns >= 0
    values = chosen["value"].to_numpy(np.float64)
    np.add.at(counts, (rows[costed], columns[costed]), values[costed])
    return Amounts(cells, counts @ costs.incidence())


def cycles(counters: Counters, preset: Preset | str | Path, scope: str = ROI) -> pd.DataFrame:
    """The cycle stack: one row per cell and component, with `cycles`."""
    found = _amounts(counters, scope)
    stack = costs.stack(found.values, costs.vector(_preset(preset)))
    wide = pd.DataFrame(stack, columns=pd.Index(COMPONENTS, name="component"))
    tidy = pd.concat([found.cells, wide], axis=1).melt(
        id_vars=_KEYS, var_name="component", value_name="cycles"
    )
    tidy["component"] = pd.Categorical(tidy["component"], COMPONENTS, ordered=True)
    return tidy.sort_values([*_KEYS, "component"], ignore_index=True)


def by_cost(counters: Counters, preset: Preset | str | Path, scope: str = ROI) -> pd.DataFrame:
    """What each cost contributes: one row per cell and cost that occurred.

    Columns: those of the cell, `cost`, `component`, `amount` and `cycles`.
    """
    found = _amounts(counters, scope)
    row, column = np.nonzero(found.values)
    tidy = found.cells.iloc[row].reset_index(drop=True)
    amount = found.values[row, column]
    return tidy.assign(
        cost=[COSTS[c].key for c in column],
        component=[COSTS[c].component for c in column],
        amount=amount.astype(np.uint64),
        cycles=amount * costs.vector(_preset(preset))[column],
    )


def ratios(counters: Counters, preset: Preset | str | Path, scope: str = ROI) -> pd.DataFrame:
    """Cycles relative to native: one row per cell with `cycles`, `native` and `ratio`.

    A cell is compared with the native cell of the same workload, size and geometry;
    `native` and `ratio` are NaN where there is none.
    """
    found = _amounts(counters, scope)
    total = costs.totals(found.values, costs.vector(_preset(preset)))
    table = found.cells.assign(cycles=total)
    native = table.loc[table["technique"] == NATIVE, [*_BASELINE, "cycles"]]
    native = native.rename(columns={"cycles": "native"}).drop_duplicates(_BASELINE)
    table = table.merge(native, on=_BASELINE, how="left", sort=False)
    return table.assign(ratio=table["cycles"] / table["native"])


def _amounts(counters: Counters, scope: str) -> Amounts:
    return counters if isinstance(counters, Amounts) else amounts(counters, scope)


def _preset(preset: Preset | str | Path) -> Preset:
    return preset if isinstance(preset, Preset) else presets.load(preset)
