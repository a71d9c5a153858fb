"""Estimated cycles of the cells of result folders, looked up by workload, technique and preset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hardware_model import presets
from hardware_model.cost_table import KEYS
from results import costs, cycles
from results.cell import NATIVE
from results.run import Run


class Measured:
    """Cells of runs.

    A cell counted with the preset's own geometry is preferred to any other, then a larger size to a
    smaller one; a pair to be compared must agree in both, so `condition` picks them for all.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._runs = runs
        self._amounts = [cycles.amounts(run.valid_counters()) for run in runs]

    def cycles(self, workload: str, technique: str, preset: str) -> float | None:
        """Cycles of the region of interest; None when no equivalent cell was run."""
        found = self._find(workload, technique, preset)
        if found is None:
            return None
        return float(costs.totals(found, costs.vector(presets.load(preset)))[0])

    def operations(self, workload: str, preset: str, operation: str) -> float | None:
        """Events of the cost `operation` in the native cell."""
        found = self._find(workload, NATIVE, preset)
        return None if found is None else float(found[0, KEYS.index(operation)])

    def why_not(self, workload: str, technique: str) -> str:
        """Why there is no cell, in a few words."""
        for run in self._runs:
            rows = run.runs[
                (run.runs["workload"] == workload) & (run.runs["technique"] == technique)
            ]
            for row in rows.to_dict("records"):
                return f"{technique} × {workload} is {row['status']}: {row['reason']}"
        return f"the folder holds no cell {technique} × {workload}"

    def _find(self, workload: str, technique: str, preset: str) -> costs.Matrix | None:
        """The amounts of the one cell, as a matrix of one row."""
        best: costs.Matrix | None = None
        for amounts in self._amounts:
            cells = amounts.cells
            chosen = (cells["workload"] == workload) & (cells["technique"] == technique)
            for place in np.flatnonzero(chosen & (cells["knobs"] == "{}")):
                if cells["geometry"].iloc[place] == preset:
                    return np.asarray(amounts.values[place : place + 1])
                best = np.asarray(amounts.values[place : place + 1])
        return best
