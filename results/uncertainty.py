"""What the ranges of a preset's costs do to its conclusions: intervals, and who wins.

Every cost is drawn on its own from the triangle (low, value, high). Nothing makes two costs move
together, so that sums of many costs come out a little too certain.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hardware_model.presets import Preset
from results import costs
from results.cell import NATIVE, NO_CHOICE
from results.costs import Matrix
from results.cycles import Amounts

SAMPLES = 2000
SEED = 0
_ROW = ["workload", "size", "io", "geometry"]
_BASELINE = ["workload", "size", "geometry"]


def sample(preset: Preset, samples: int = SAMPLES, seed: int = SEED) -> Matrix:
    """Costs in cycles, with the axes (samples, costs); the same for the same arguments."""
    low, mode, high = (costs.vector(preset, bound) for bound in ("low", "value", "high"))
    width = np.where(high > low, high - low, 1.0)
    share = (mode - low) / width
    u = np.random.Generator(np.random.PCG64(seed)).random((samples, len(low)))
    rising = low + np.sqrt(u * width * (mode - low))
    falling = high - np.sqrt((1 - u) * width * (high - mode))
    return np.where(high > low, np.where(u < share, rising, falling), mode)


def intervals(
    amounts: Amounts, preset: Preset, *, level: float = 0.9, samples: int = SAMPLES
) -> pd.DataFrame:
    """Cycles over native for each cell whose native one took any.

    Columns: those of the cell, `ratio` at the preset's values, and `low` and `high`, between which
    the ratio lies in a share `level` of the samples.
    """
    at_value = costs.totals(amounts.values, costs.vector(preset))
    drawn = costs.totals(amounts.values, sample(preset, samples))
    base = native_positions(amounts.cells)
    has = (base >= 0) & (at_value[base] > 0)
    ratios = drawn[:, has] / drawn[:, base[has]]
    bounds = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2], axis=0)
    table = amounts.cells[has].reset_index(drop=True)
    return table.assign(ratio=at_value[has] / at_value[base[has]], low=bounds[0], high=bounds[1])


def winners(amounts: Amounts, preset: Preset, *, samples: int = SAMPLES) -> pd.DataFrame:
    """The share of samples in which a cell has the fewest cycles among the techniques to choose from.

    One row per cell with `probability`; they add up to 1 for each workload and its conditions.
    """
    cells = amounts.cells[~amounts.cells["technique"].isin(NO_CHOICE)]
    drawn = costs.totals(amounts.values[cells.index], sample(preset, samples))
    cells = cells.reset_index(drop=True)
    probability = np.zeros(len(cells))
    for positions in cells.groupby(_ROW).indices.values():
        best = drawn[:, positions].argmin(axis=1)
        probability[positions] = np.bincount(best, minlength=len(positions)) / samples
    return cells.assign(probability=probability)


def native_positions(cells: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """For each cell, the row of its native cell, or -1."""
    native = cells[cells["technique"] == NATIVE].drop_duplicates(_BASELINE)
    positions = pd.Series(native.index, index=pd.MultiIndex.from_frame(native[_BASELINE]))
    found = positions.reindex(pd.MultiIndex.from_frame(cells[_BASELINE])).fillna(-1)
    return np.asarray(found.to_numpy(np.int64))
