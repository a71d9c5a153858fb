"""What a run counted for the nanobenchmarks that some costs are solved from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hardware_model.cost_table import KEYS
from results import cycles
from results.cell import NATIVE
from results.costs import Matrix
from results.errors import ResultsError
from results.run import Run


class Observed:
    """Amounts of each cost for one operation of a nanobenchmark, from the cells of `run`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._amounts = cycles.amounts(run.counters.merge(run.valid()[_KEYS], on=_KEYS))

    def per_operation(self, workload: str, technique: str, operation: str) -> Matrix:
        """Amounts by cost; an operation is one event of the native cell's cost `operation`."""
        native = self._row(workload, NATIVE)
        return np.asarray(self._row(workload, technique) / native[KEYS.index(operation)])

    def _row(self, workload: str, technique: str) -> Matrix:
        cells = self._amounts.cells
        found = np.flatnonzero((cells["workload"] == workload) & (cells["technique"] == technique))
        if not len(found):
            raise ResultsError(f"{self._run.path} holds no cell {technique} × {workload}")
        return np.asarray(self._amounts.values[found[0]])


def solve(unknown: str, cycles_: float, amounts: Matrix, known: Mapping[str, float]) -> float:
    """The cost `unknown` for which `amounts` at the costs `known` take `cycles_`."""
    rest = sum(
        amount * known[key]
        for key, amount in zip(KEYS, amounts, strict=True)
        if key != unknown and amount
    )
    return float((cycles_ - rest) / amounts[KEYS.index(unknown)])


_KEYS = ["workload", "size", "io", "geometry", "technique", "knobs"]
