"""Isolation: which attacks reached another VM or the VMM, with the protection and without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results import tables
from results.cell import IDENTITY
from results.finished import FAILED, SKIPPED
from results.plots import rows, style
from results.plots.plot import Plot
from results.run import Run

_FAMILY = "isolation/"
_BYTES, _INTERRUPTS = "isolation.breach.bytes", "isolation.breach.interrupts"
_BLOCKED = ("vtd.fault", "refused", "dma.blocked")
#: Characters that a cell of six columns holds in one line; of bold ones in the same size.
_LINE, _BOLD_LINE = 24, 18
_FILLS = {
    "reached": (style.VERMILION, "white"),
    "blocked": (style.SKY, "black"),
    "nothing": ("white", "black"),
}


def data(run: Run, _preset: str) -> pd.DataFrame:
    """One row per attack and technique: `outcome` is reached, blocked or nothing; `said` is the detail."""
    runs = run.runs[run.runs["workload"].str.startswith(_FAMILY)]
    ran = rows.without_native(runs[~runs["status"].isin([FAILED, SKIPPED])])
    if ran.empty:
        return pd.DataFrame(columns=list(PLOT.columns))
    totals = run.counters[run.counters["scope"] == "total"]
    wide = totals.pivot_table(index=list(IDENTITY), columns="counter", values="value", fill_value=0)
    wide = wide.reindex(columns=[_BYTES, _INTERRUPTS, *_BLOCKED], fill_value=0).reset_index()
    table = ran.merge(wide, on=list(IDENTITY), how="left").fillna({_BYTES: 0, _INTERRUPTS: 0})
    found = [_outcome(row) for row in table.to_dict("records")]
    table["outcome"], table["said"] = zip(*found, strict=True)
    named = tables.labelled(table)
    attack = named["row"].str.removeprefix(_FAMILY)
    return named.assign(attack=attack).sort_values(["attack", "variant"])


def _outcome(row: Mapping[Any, Any]) -> tuple[str, str]:
    bytes_, interrupts = (int(float(str(row[name]))) for name in (_BYTES, _INTERRUPTS))
    if bytes_ or interrupts:
        what = [_several(bytes_, "byte")] * bool(bytes_)
        what += [_several(interrupts, "interrupt")] * bool(interrupts)
        return "reached", f"reached: {', '.join(what)}"
    faults, refused, blocked = (int(row[n]) if row[n] == row[n] else 0 for n in _BLOCKED)
    if count := max(faults, blocked):
        return "blocked", f"blocked: {_several(count, 'fault')}"
    if refused:
        return "blocked", f"blocked: {_several(refused, 'access', 'accesses')}"
    return "nothing", "came to nothing"


def _several(count: int, what: str, many: str = "") -> str:
    return f"{count} {what}" if count == 1 else f"{count} {many or what + 's'}"


def draw(table: pd.DataFrame) -> Figure:
    """A row per attack and a column per technique."""
    attacks = list(dict.fromkeys(table["attack"]))
    variants = style.in_order(list(table["variant"]))
    made, [[axes]] = style.figure(0.7 + 0.24 * len(attacks))
    for row in table.to_dict("records"):
        _cell(axes, variants.index(row["variant"]), attacks.index(row["attack"]), row)
    axes.set(xlim=(-0.5, len(variants) - 0.5), ylim=(len(attacks) - 0.5, -0.5))
    axes.set_xticks(range(len(variants)), variants)
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(attacks)), attacks, fontsize=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        "bytes and interrupts that arrived, faults and refused accesses that were recorded (number)",
        fontsize=7,
    )
    return made


def _cell(axes: Axes, column: int, line: int, row: Mapping[Any, Any]) -> None:
    fill, ink = _FILLS[str(row["outcome"])]
    axes.barh(line, 0.96, 0.9, column - 0.48, color=fill, edgecolor="#BBBBBB", linewidth=0.4)
    bold = row["outcome"] == "reached"
    fits = len(str(row["said"])) <= (_BOLD_LINE if bold else _LINE)
    axes.text(
        column,
        line,
        _wrapped(str(row["said"])),
        ha="center",
        va="center",
        color=ink,
        fontsize=6 if fits else 5.2,
        linespacing=0.95,
        weight="bold" if bold else "normal",
    )


def _wrapped(said: str) -> str:
    """In two lines where one would not fit a cell."""
    return said if len(said) <= _LINE else said.replace(", ", ",\n", 1)


PLOT = Plot(
    name="isolation",
    title="Isolation",
    caption=(
        "What became of each attack: memory or interrupts of another VM or of the VMM that it "
        "reached, or the faults and refusals that were recorded when it was blocked. Rows without a note are "
        "protected."
    ),
    needs="workloads of the family isolation",
    columns=("attack", "variant", "outcome", "said"),
    data=data,
    draw=draw,
)
