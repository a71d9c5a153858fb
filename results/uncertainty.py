"""What the ranges of a preset's costs do to its conclusions: intervals, and who wins.

A cost is as often below its value as above it: either half of its samples is a triangle with its peak
at the value, down to `low` or up to `high`. Half of a cost's deviation is common to all costs of its
scale (`results.cost_scales`): a core whose microcode is slow is slow in all of it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from hardware_model.cost_table import KEYS
from hardware_model.presets import Preset
from results import cost_scales, costs
from results.cell import NATIVE, NO_CHOICE
from results.costs import Matrix
from results.cycles import Amounts

SAMPLES = 2000
SEED = 0
_ROW = ["workload", "size", "io", "geometry"]
_BASELINE = ["workload", "size", "geometry"]


def sample(preset: Preset, samples: int = SAMPLES, seed: int = SEED) -> Matrix:
    """Costs in cycles, with the axes (samples, costs); the same for the same arguments.

    Half of each cost's samples lie below its value, exactly when `samples` is even.
    """
    low, value, high = (costs.vector(preset, bound) for bound in ("low", "value", "high"))
    u = _ranks(samples, seed)
    below = value - (value - low) * (1 - np.sqrt(np.minimum(2 * u, 1.0)))
    above = value + (high - value) * (1 - np.sqrt(np.minimum(2 * (1 - u), 1.0)))
    return np.asarray(np.where(u < 0.5, below, above))


def _ranks(samples: int, seed: int) -> Matrix:
    """Numbers in (0, 1), evenly spread for each cost; those of a scale's costs go together."""
    generator = np.random.Generator(np.random.PCG64(seed))
    common = generator.standard_normal((samples, len(cost_scales.SCALES)))
    own = generator.standard_normal((samples, len(KEYS)))
    deviations = common[:, cost_scales.positions()] + own
    ranks = deviations.argsort(axis=0).argsort(axis=0)
    return np.asarray((ranks + 0.5) / samples)


def intervals(
    amounts: Amounts, preset: Preset, *, level: float = 0.9, samples: int = SAMPLES
) -> pd.DataFrame:
    """Cycles over native for each cell whose native one took any.

    Columns: those of the cell, `ratio` at the preset's values, and `low` and `high`, which enclose it:
    of the samples below the ratio a share `level` lies above `low`, and of those above it, the same
    share below `high`.
    """
    at_value = costs.totals(amounts.values, costs.vector(preset))
    drawn = costs.totals(amounts.values, sample(preset, samples))
    base = native_positions(amounts.cells)
    has = (base >= 0) & (at_value[base] > 0)
    ratios = drawn[:, has] / drawn[:, base[has]]
    ratio = at_value[has] / at_value[base[has]]
    table = amounts.cells[has].reset_index(drop=True)
    return table.assign(ratio=ratio, **around(ratio, ratios, level))


def around(centre: Matrix, samples: Matrix, level: float) -> dict[str, Matrix]:
    """`low` and `high` of the interval around each centre that holds a share `level` of its samples.

    The samples have the axes (samples, centres). The share is that of either side, so that
    the centre is never outside.
    """
    ordered = np.sort(samples, axis=0)
    count = len(ordered)
    below, above = (ordered < centre).sum(axis=0), (ordered > centre).sum(axis=0)
    first = np.round(below * (1 - level)).astype(np.int64)
    last = count - 1 - np.round(above * (1 - level)).astype(np.int64)
    columns = np.arange(len(centre))
    return {
        "low": np.minimum(ordered[first, columns], centre),
        "high": np.maximum(ordered[last, columns], centre),
    }


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
