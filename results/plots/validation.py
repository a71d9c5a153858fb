"""Validation: predicted against published figures."""

from __future__ import annotations

import re

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.plots import labels, style
from results.plots.plot import Plot
from results.run import Run
from results.validation import comparison

_QUANTITIES = ("cycles", "times native")
_KEYS = ["source_id", "benchmark"]
_NEAR = 0.15
_FAR = 2.0


def data(run: Run, _preset: str) -> pd.DataFrame:
    """One row per published figure that the run predicts, each with the preset of its own."""
    table = _over_native(comparison.compare([run]))
    found = table[(table["status"] == comparison.PREDICTED) & table["quantity"].isin(_QUANTITIES)]
    found = found[(found["expected"] > 0) & (found["predicted"] > 0)]
    return found.assign(variant=found["technique"])


def _over_native(table: pd.DataFrame) -> pd.DataFrame:
    """Latencies, whose units differ, as multiples of the published native ones."""
    base = table[table["status"] == comparison.BASELINE].set_index(_KEYS)["expected"]
    native = pd.Series(base.reindex(pd.MultiIndex.from_frame(table[_KEYS])).to_numpy(), table.index)
    latency = table["quantity"] == "latency"
    scale = native.where(latency, 1.0)
    return table.assign(
        expected=table["expected"] / scale,
        predicted=table["predicted"] / scale,
        quantity=table["quantity"].mask(latency, "times native"),
    )


def draw(table: pd.DataFrame) -> Figure:
    """Log-log, with the line of equality and a band of 15 %."""
    made, [[axes]] = style.figure(4.6)
    unit = str(table["quantity"].iloc[0])
    low = float(table[["expected", "predicted"]].min().min()) / 1.5
    high = float(table[["expected", "predicted"]].max().max()) * 1.5
    ends = [low, high]
    axes.plot(ends, ends, color=style.BLACK, linewidth=0.8)
    below, above = ([end * factor for end in ends] for factor in (1 - _NEAR, 1 + _NEAR))
    axes.fill_between(ends, below, above, color="#DDDDDD", linewidth=0)
    for variant in style.in_order(list(table["variant"])):
        look, points = style.mark(variant), table[table["variant"] == variant]
        axes.scatter(
            points["expected"],
            points["predicted"],
            s=28,
            c=look.colour,
            marker=look.marker,
            linewidths=0,
            zorder=3,
        )
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.set_xlabel(f"published ({unit})")
    axes.set_ylabel(f"predicted ({unit})")
    for axis in ("x", "y"):
        style.plain_numbers(axes, axis)
        style.grid(axes, axis)
    _name_misses(axes, table)
    style.technique_legend(made, list(table["variant"]))
    return made


def _name_misses(axes: Axes, table: pd.DataFrame) -> None:
    far = table[(table["ratio"] > _FAR) | (table["ratio"] < 1 / _FAR)]
    ends = [
        (r["expected"], r["predicted"], f"{r['variant']}: {_short(r['benchmark'])}", "#444444")
        for r in far.to_dict("records")
    ]
    labels.at_line_ends(axes, ends, 0.042)


def _short(benchmark: str) -> str:
    """The benchmark without its suite's name and its parenthesis."""
    return re.sub(r"^(lmbench|nanobench) | \(.*", "", benchmark)


PLOT = Plot(
    name="validation",
    title="Predicted against published",
    caption=(
        "Published measurements that no cost was set from, and what the model predicts. On the line "
        "they are equal, in the band within 15 %. Figures more than twice off are named."
    ),
    needs="workloads that stand for published benchmarks",
    columns=("quantity", "benchmark", "variant", "expected", "predicted", "ratio"),
    data=data,
    draw=draw,
    split="quantity",
)
