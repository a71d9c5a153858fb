"""Published figures by name, each with the text that cites it."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import pandas as pd

from results.errors import ResultsError


@dataclass(frozen=True, slots=True)
class Figure:
    """One published number, in the unit of its row, and the citation for a preset's `source`."""

    value: float
    citation: str


class Figures:
    """The rows of a table of published measurements."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self._rows = rows

    def find(
        self, source: str, microarchitecture: str, benchmark: str, technique: str = ""
    ) -> Figure:
        """The one row of that name; ResultsError when there is none or more than one."""
        rows = self._rows
        chosen = rows[
            (rows["source_id"] == source)
            & (rows["microarchitecture"] == microarchitecture)
            & (rows["benchmark"] == benchmark)
        ]
        if technique:
            chosen = chosen[chosen["technique"] == technique]
        if len(chosen) != 1:
            raise ResultsError(
                f"{len(chosen)} rows of the published figures are {source}, {microarchitecture}, "
                f"{benchmark}{', ' + technique if technique else ''}; one is needed"
            )
        row = chosen.iloc[0]
        where = f"{microarchitecture}, {benchmark}" + (f" ({technique})" if technique else "")
        return Figure(float(row["value"]), f"{source}: {where} {row['value']:g} {row['unit']}")


def geometric_mean(values: list[float]) -> float:
    """The geometric mean of positive numbers."""
    return float(prod(values) ** (1 / len(values)))
