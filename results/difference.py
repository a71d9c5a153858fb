"""Exact differences between two result folders, for people and for CI gates."""

from __future__ import annotations

import pandas as pd

from results.cell import IDENTITY
from results.reader import Stored

_CELL = list(IDENTITY)
_OUTCOME = ["status", "digest", "instructions"]


def difference(left: Stored, right: Stored) -> pd.DataFrame:
    """One row per fact that differs: the cell's columns, `scope`, `counter`, `left`, `right`.

    A counter or cell that only one side has is None on the other. The status, digest and
    instruction count of a cell appear as rows of scope `run`. Host seconds never count.
    """
    key = [*_CELL, "scope", "counter"]
    both = _facts(left).merge(_facts(right), on=key, how="outer", suffixes=("_left", "_right"))
    both = both.rename(columns={"value_left": "left", "value_right": "right"})
    both[["left", "right"]] = both[["left", "right"]].astype(object).where(both.notna(), None)
    differs = [a != b for a, b in zip(both["left"], both["right"], strict=True)]
    return both[differs].sort_values(key, ignore_index=True)


def _facts(stored: Stored) -> pd.DataFrame:
    outcome = stored.runs[_CELL + _OUTCOME].astype(dict.fromkeys(_OUTCOME, object))
    outcome = outcome.melt(_CELL, _OUTCOME, var_name="counter", value_name="value")
    counters = stored.counters.astype({"value": object})
    return pd.concat([outcome.assign(scope="run"), counters], ignore_index=True)
