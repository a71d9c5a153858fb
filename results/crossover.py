"""Where one technique overtakes another when some costs change, in closed form.

The cycles of a cell are linear in its costs. With the varied costs scaled by f, cell A takes
A0 + f A1 and cell B takes B0 + f B1, so that they meet at f = (B0 - A0) / (A1 - B1).
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import combinations

import numpy as np
import pandas as pd

from hardware_model.cost_table import KEYS
from hardware_model.presets import Preset
from results import costs
from results.cell import NATIVE
from results.cycles import Amounts
from results.errors import ResultsError

_ROW = ["workload", "size", "io", "geometry"]


def matching(pattern: str) -> list[str]:
    """The cost keys that are `pattern`, or match it as in `vmx.*`; ResultsError when none does."""
    found = [key for key in KEYS if fnmatchcase(key, pattern)]
    if not found:
        from difflib import get_close_matches

        close = get_close_matches(pattern, KEYS, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ResultsError(f"{pattern} is no cost of the cost table{hint}")
    return found


def crossovers(
    amounts: Amounts, preset: Preset, vary: str, between: Sequence[str] = ()
) -> pd.DataFrame:
    """One row per workload and pair of techniques.

    `first` and `second` are the techniques, `factor` what the varied costs must be multiplied by
    for both to take the same time (NaN when no positive factor does), `below` and `above` the
    faster one on either side, `now` the one at factor 1
    (or `equal`), and `cost` the break-even in cycles when
    one cost is varied, with `within` telling whether it lies between that cost's low and high.
    """
    keys = matching(vary)
    varied = np.isin(KEYS, keys)
    value = costs.vector(preset)
    moving = amounts.values @ (value * varied)
    fixed = amounts.values @ (value * ~varied)
    cells = amounts.cells
    chosen = cells[cells["technique"] != NATIVE] if not between else cells
    chosen = chosen[chosen["technique"].isin(between) | (not between)]
    rows = [
        {**dict(zip(_ROW, place, strict=True)), **_pair(cells, a, b, fixed, moving)}
        for place, group in chosen.groupby(_ROW)
        for a, b in combinations(group.index, 2)
    ]
    table = pd.DataFrame(rows, columns=[*_ROW, *_COLUMNS])
    if len(keys) == 1 and keys[0] in preset.costs:
        cost = preset.costs[keys[0]]
        table["cost"] = table["factor"] * cost.value
        table["within"] = table["cost"].between(cost.low, cost.high)
    return table


_EQUAL = "equal"
_COLUMNS = ("first", "second", "factor", "below", "above", "now")


def _pair(
    cells: pd.DataFrame, a: int, b: int, fixed: costs.Matrix, moving: costs.Matrix
) -> dict[str, object]:
    first, second = (_label(cells.iloc[i]) for i in (a, b))
    slope = moving[a] - moving[b]
    gap = fixed[b] - fixed[a]
    factor = gap / slope if slope else np.nan
    total = fixed + moving
    now = first if total[a] < total[b] else second
    if np.isclose(total[a], total[b], rtol=1e-9):
        now = _EQUAL
    if not factor > 0:
        return dict(zip(_COLUMNS, (first, second, np.nan, now, now, now), strict=True))
    below, above = (first, second) if slope > 0 else (second, first)
    return dict(zip(_COLUMNS, (first, second, factor, below, above, now), strict=True))


def _label(cell: pd.Series) -> str:
    return str(cell["technique"]) + ("" if cell["knobs"] == "{}" else f" {cell['knobs']}")
