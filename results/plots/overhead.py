"""Overhead: cycles over native by technique and workload, with intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.plots import rows, style
from results.plots.plot import Plot
from results.run import Run


def data(run: Run, preset: str) -> pd.DataFrame:
    """One row per equivalent, virtualized cell: `ratio` and the ends of its 90 % interval."""
    return rows.without_native(rows.labelled(run.intervals(preset)))


def draw(table: pd.DataFrame) -> Figure:
    """Workloads from top to bottom, a marker per technique on a logarithmic axis."""
    names = list(dict.fromkeys(table["row"]))
    variants = style.in_order(list(table["variant"]))
    step = 0.8 / len(variants)
    made, [[axes]] = style.figure(0.9 + len(names) * (0.07 + 0.05 * len(variants)))
    for place, variant in enumerate(variants):
        look, part = style.mark(variant), table[table["variant"] == variant]
        offset = (place - (len(variants) - 1) / 2) * step
        heights = [names.index(row) + offset for row in part["row"]]
        axes.hlines(heights, part["low"], part["high"], color=look.colour, linewidth=1.0)
        axes.scatter(
            part["ratio"], heights, s=17, c=look.colour, marker=look.marker, linewidths=0, zorder=3
        )
    _lay_out(axes, names)
    style.technique_legend(made, variants)
    return made


def _lay_out(axes: Axes, names: list[str]) -> None:
    axes.set_xscale("log")
    style.plain_numbers(axes, "x")
    style.grid(axes)
    axes.axvline(1, color=style.BLACK, linewidth=0.9)
    for place in range(0, len(names), 2):
        axes.axhspan(place - 0.5, place + 0.5, color=style.FAINT, linewidth=0, zorder=0)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("estimated cycles over native (1 = as fast as native; lines: 90 % interval)")


PLOT = Plot(
    name="overhead",
    title="Cycles over native",
    caption=(
        "Each marker is the estimated time of a workload under a technique, as a multiple of the "
        "native one. Its line holds 90 % of the values that come out when every cost is drawn from "
        "its own range. Left of 1 the technique is faster than native."
    ),
    needs="a native cell and an equivalent one of another technique",
    columns=("family", "row", "variant", "ratio", "low", "high"),
    data=data,
    draw=draw,
    split="family",
    most=30,
)
