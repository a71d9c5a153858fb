"""The declared costs as matrices: which counters a cost multiplies, and each cost's component.

With Q the amounts (cells by costs: counters summed over a cost's counters) and v a preset's costs,
the cycle stack is (Q * v) @ C, C telling which component each cost belongs to. So a preset, or a
thousand variations of one, is a product over amounts that are computed once.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from hardware_model.cost_table import COMPONENTS, COSTS
from hardware_model.presets import Preset
from hardware_model.uncosted import EXCLUDED

Matrix = npt.NDArray[np.float64]
Bound = Literal["value", "low", "high"]

COSTED: tuple[str, ...] = tuple(dict.fromkeys(name for cost in COSTS for name in cost.counters))
"""Every counter that a cost multiplies."""

_POSITION = {name: position for position, name in enumerate(COSTED)}


class UncostedCounterError(KeyError):
    """A counter is neither multiplied by a cost nor excluded; the message names it."""

    def __str__(self) -> str:
        return str(self.args[0])


def check_counter(name: str) -> None:
    """Nothing if `name` is costed or excluded with a reason, else UncostedCounterError."""
    if name not in _POSITION and name not in EXCLUDED:
        raise UncostedCounterError(f"counter {name} has neither a cost nor a reason to have none")


def incidence() -> Matrix:
    """1 where a counter (row, order of `COSTED`) is in a cost (column, order of `COSTS`)."""
    matrix = np.zeros((len(COSTED), len(COSTS)))
    for column, cost in enumerate(COSTS):
        matrix[[_POSITION[name] for name in cost.counters], column] = 1.0
    return matrix


def components() -> Matrix:
    """1 where a cost (row) belongs to a component (column, order of `COMPONENTS`)."""
    matrix = np.zeros((len(COSTS), len(COMPONENTS)))
    for row, cost in enumerate(COSTS):
        matrix[row, COMPONENTS.index(cost.component)] = 1.0
    return matrix


def vector(preset: Preset, bound: Bound = "value") -> Matrix:
    """The preset's costs in cycles, in the order of `COSTS`: their values, or a bound of them.

    A cost that cannot arise on the preset is 0; `results.applicability` leaves out cells that would
    need it.
    """
    known = preset.costs
    return np.array(
        [getattr(known[c.key], bound) if c.key in known else 0.0 for c in COSTS], np.float64
    )


def stack(amounts: Matrix, prices: Matrix) -> Matrix:
    """Cycles by component: `amounts` (cells, costs) at `prices` (costs) or (samples, costs).

    The answer has the axes (cells, components) or (samples, cells, components).
    """
    weights = prices[..., :, np.newaxis] * components()
    return np.asarray(amounts @ weights)


def totals(amounts: Matrix, prices: Matrix) -> Matrix:
    """Cycles: `amounts` (cells, costs) at `prices` (costs) or (samples, costs).

    The answer has the axes (cells,) or (samples, cells).
    """
    return np.asarray(prices @ amounts.T)
