"""A cell that is going to be run."""

from __future__ import annotations

from dataclasses import dataclass

from results.cell import Cell
from results.finished import OK


@dataclass(frozen=True, slots=True)
class Planned:
    """A cell to be run, under content key `key`.

    `expected` is the status that the workload declares for the technique. `source` finds the
    workload again (its name, or an absolute path). An `auxiliary` cell was not selected: it is run
    because others are compared with it. `budget` bounds its guest instructions.
    """

    cell: Cell
    key: str
    source: str
    expected: str = OK
    auxiliary: bool = False
    budget: int | None = None
