"""Estimated cycles of the cells of result folders, looked up by workload, technique and preset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from hardware_model import presets
from hardware_model.cost_table import KEYS
from hardware_model.preset_schema import lacks_ept, needs_ept
from hardware_model.presets import Preset
from results import costs, cycles
from results.run import Run

DEFAULT_KNOBS = "{}"
_SIZES = ("small", "standard", "large")
_EPT = np.array([needs_ept(key) for key in KEYS])
_Condition = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Pair:
    """A cell's cycles, those of the cell it is compared with, and the latter's amounts by cost."""

    found: float
    base: float
    base_amounts: costs.Matrix

    def operations(self, cost: str) -> float:
        """Events of a cost in the cell compared with."""
        return float(self.base_amounts[KEYS.index(cost)])


class Measured:
    """Equivalent cells of runs."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._cells: dict[tuple[str, str, str], dict[_Condition, costs.Matrix]] = {}
        for run in runs:
            amounts = cycles.amounts(run.valid_counters())
            for place, cell in enumerate(amounts.cells.to_dict("records")):
                found = self._cells.setdefault(
                    (cell["workload"], cell["technique"], cell["knobs"]), {}
                )
                found[cell["geometry"], cell["size"]] = np.asarray(amounts.values[place])

    def pair(
        self, workload: str, technique: str, base: str, preset: str, knobs: str = DEFAULT_KNOBS
    ) -> Pair | None:
        """A cell and the cell of `base` of the same geometry and size; None when there is none.

        `base` has default knobs. A pair counted with the preset's own geometry is preferred to any
        other, then a larger size to a smaller one.
        """
        found = self._cells.get((workload, technique, knobs), {})
        bases = self._cells.get((workload, base, DEFAULT_KNOBS), {})
        common = sorted(found.keys() & bases.keys(), key=lambda c: _rank(c, preset))
        prices = _preset(preset)
        if not common or (lacks_ept(prices.vmx) and found[common[-1]][_EPT].any()):
            return None
        amounts = found[common[-1]], bases[common[-1]]
        cell, other = costs.totals(np.stack(amounts), costs.vector(prices))
        return Pair(float(cell), float(other), amounts[1])

    def why_not(self, workload: str, technique: str, base: str, preset: str) -> str:
        """Why there is no pair, in a few words."""
        for name in (technique, base):
            if (workload, name, DEFAULT_KNOBS) not in self._cells:
                return self._why_no_cell(workload, name)
        if lacks_ept(_preset(preset).vmx):
            return f"{technique} × {workload} used EPT, which {preset} does not have"
        return f"{technique} and {base} did not run {workload} with the same geometry and size"

    def _why_no_cell(self, workload: str, technique: str) -> str:
        for run in self._runs:
            of_cell = (run.runs["workload"] == workload) & (run.runs["technique"] == technique)
            for row in run.runs[of_cell].to_dict("records"):
                return f"{technique} × {workload} is {row['status']}: {row['reason']}"
        return f"the folder holds no cell {technique} × {workload}"


def _rank(condition: _Condition, preset: str) -> tuple[bool, int]:
    geometry, size = condition
    return geometry == preset, _SIZES.index(size)


@cache
def _preset(name: str) -> Preset:
    return presets.load(name)
