"""Entries into the VMM by reason, for each workload of a technique."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from results.cycles import ROI
from results.plots import rows, style
from results.plots.plot import Plot
from results.run import Run
from results.tables import KINDS_OF_ENTRY, is_reason

_COLUMNS = 18
_SPACES = str.maketrans("_.", "  ")


def data(run: Run, _preset: str) -> pd.DataFrame:
    """One row per cell and reason: `count` in the region of interest."""
    counters = run.valid_counters()
    shown = counters["counter"].map(is_reason).astype(bool) & (counters["value"] > 0)
    named = rows.without_native(rows.labelled(counters[shown & (counters["scope"] == ROI)]))
    return named.assign(
        row=named["family"] + "/" + named["row"],
        reason=named["counter"].map(_reason),
        count=named["value"].astype(float),
    ).sort_values("row", kind="stable")


def _reason(counter: str) -> str:
    prefix = next(prefix for prefix in KINDS_OF_ENTRY if counter.startswith(prefix))
    what = counter.removeprefix(prefix)
    vector = f"#{what.upper()}" if prefix == "trap." and len(what) == 2 else what.translate(_SPACES)
    return f"{KINDS_OF_ENTRY[prefix]}: {vector}"


def draw(table: pd.DataFrame) -> Figure:
    """A table of counts, shaded by their logarithm; reasons in the order of their totals."""
    totals = table.groupby("reason")["count"].sum().sort_values(ascending=False)
    wide = table.pivot_table(index="row", columns="reason", values="count", aggfunc="sum")
    shown = list(totals.index[:_COLUMNS])
    rest = [reason for reason in totals.index if reason not in shown]
    if rest:
        wide["others"] = wide[rest].sum(axis=1, min_count=1)
    wide = wide[[*shown, *(["others"] if rest else [])]].dropna(how="all")
    made, [[axes]] = style.figure(1.6 + 0.155 * len(wide))
    norm = LogNorm(0.3, max(10.0, float(totals.max())))
    image = axes.imshow(wide.to_numpy(), aspect="auto", cmap="Blues", norm=norm)
    _write_counts(axes, wide, norm)
    axes.set_xticks(
        range(len(wide.columns)),
        wide.columns,
        rotation=50,
        ha="left",
        rotation_mode="anchor",
        fontsize=7,
    )
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(wide)), wide.index, fontsize=6.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = made.colorbar(image, ax=axes, location="bottom", shrink=0.4, aspect=40, pad=0.01)
    bar.set_label("entries into the VMM (number in the region of interest)", fontsize=7)
    return made


def _write_counts(axes: Axes, wide: pd.DataFrame, norm: LogNorm) -> None:
    for line, (_, values) in enumerate(wide.iterrows()):
        for column, value in enumerate(values):
            if value == value:
                colour = "white" if float(norm(value)) > 0.6 else "black"
                text = style.number(float(value))
                written = axes.text(column, line, text, ha="center", va="center", color=colour)
                written.set(fontsize=5.5, in_layout=False)


PLOT = Plot(
    name="exits",
    title="Entries into the VMM by reason",
    caption=(
        "How often each workload entered the VMM, and why. Operations inside a multicall count as "
        "hypercalls of their own; trap: syscall counts the instructions."
    ),
    needs="an equivalent cell that entered a VMM",
    columns=("variant", "row", "reason", "count"),
    data=data,
    draw=draw,
    split="variant",
    most=52,
)
