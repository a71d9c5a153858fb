"""Rows of plots: how cells are named, and which of them are drawn."""

from __future__ import annotations

import pandas as pd

from results import tables
from results.cell import NATIVE
from results.run import alone

#: Variants (techniques with knobs) that one figure can hold; with more, only default knobs are drawn.
_VARIANTS = 10
#: Rows that one figure can hold.
_ROWS = 60


def labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with `family`, `row` (the workload without its family, and conditions) and `variant`.

    A run of many variants keeps those with default knobs only, and a family of many rows its
    first ones: sweeps have a plot of their own. Cells beside other VMs are in no comparison.
    """
    named = tables.labelled(frame)
    named = named[alone(named)]
    if named["variant"].nunique() > _VARIANTS:
        named = named[named["knobs"] == "{}"]
    if named.empty:
        return named.assign(family=named["row"])
    family, _, row = named["row"].str.partition("/").T.to_numpy()
    named = named.assign(family=family, row=row)
    kept = named.drop_duplicates(["family", "row"]).groupby("family")["row"].head(_ROWS)
    keys = pd.MultiIndex.from_frame(named.loc[kept.index, ["family", "row"]])
    chosen = pd.MultiIndex.from_frame(named[["family", "row"]]).isin(keys)
    return named[chosen].reset_index(drop=True)


def without_native(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of virtualized cells."""
    return frame[frame["technique"] != NATIVE]
