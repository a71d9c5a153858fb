"""Cycle stacks: where the estimated cycles of each cell went."""

from __future__ import annotations

from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from results.cell import IDENTITY, NATIVE
from results.plots import rows, style
from results.plots.plot import Plot
from results.run import Run

_COLUMNS = 3
#: Characters of a panel's title that fit on a line.
_LONG = 24
#: Parts of a bar that are a smaller share of the panel's width are not drawn.
_LEAST = 0.002
_SHORT = {"trap-and-emulate": "t & e"}
#: What a cell has in common with the native one that it is compared with.
_CONDITIONS = [name for name in IDENTITY if name not in ("technique", "knobs", "io")]


def data(run: Run, preset: str) -> pd.DataFrame:
    """One row per virtualized cell and component: `share`, its cycles over native's total."""
    named = rows.labelled(run.cycles(preset))
    native = named[named["technique"] == NATIVE].groupby(_CONDITIONS)["cycles"].sum()
    base = named.set_index(_CONDITIONS).index.map(native.to_dict())
    named = named.assign(share=named["cycles"] / base.to_numpy())
    return rows.without_native(named).dropna(subset=["share"])


def draw(table: pd.DataFrame) -> Figure:
    """A small panel per workload with a bar per technique; each panel has a scale of its own."""
    names = list(dict.fromkeys(table["row"]))
    variants = style.in_order(list(table["variant"]))
    lines = ceil(len(names) / _COLUMNS)
    made, grid = style.figure(0.7 + lines * (0.46 + 0.12 * len(variants)), lines, _COLUMNS)
    axes = [one for line in grid for one in line]
    for one, name in zip(axes, names, strict=False):
        _panel(one, table[table["row"] == name], name, variants)
    for unused in axes[len(names) :]:
        unused.set_visible(False)
    made.supxlabel("estimated cycles over those of native (line: 1)", fontsize=8)
    components = [c for c in style.COMPONENT_FILLS if (table["component"] == c).any()]
    used = [c for c in components if table.loc[table["component"] == c, "share"].sum() > 0]
    made.legend(handles=_handles(used), loc="outside upper center", ncols=5)
    return made


def _panel(axes: Axes, part: pd.DataFrame, name: str, variants: list[str]) -> None:
    wide = part.pivot_table(
        index="variant", columns="component", values="share", aggfunc="sum", observed=True
    ).reindex(variants)
    totals = wide.sum(axis=1, min_count=1)
    limit = max(1.0, float(totals.max()) or 1.0) * 1.22
    left = np.zeros(len(variants))
    for component, (colour, hatch) in style.COMPONENT_FILLS.items():
        if component in wide.columns:
            widths = wide[component].fillna(0.0).to_numpy()
            seen = widths > limit * _LEAST
            bars = axes.barh(np.flatnonzero(seen), widths[seen], 0.78, left[seen])
            for bar in bars:
                bar.set(facecolor=colour, hatch=hatch, edgecolor="#333333", linewidth=0.2)
            left += widths
    for place, total in enumerate(totals):
        ran = total == total
        text = f" {style.ratio(total)}" if ran else " no equivalent run"
        written = axes.text(total if ran else 0, place, text, va="center", fontsize=6.5)
        written.set(in_layout=False, color=style.BLACK if ran else style.GREY)
        written.set_bbox({"facecolor": "white", "linewidth": 0, "pad": 0.4})
    axes.axvline(1, color=style.BLACK, linewidth=0.8)
    axes.set_yticks(range(len(variants)), [_SHORT.get(v, v) for v in variants], fontsize=6.5)
    axes.set_ylim(len(variants) - 0.4, -0.6)
    axes.set_xlim(0, limit)
    axes.locator_params(axis="x", nbins=4)
    if len(name) <= _LONG:
        axes.set_title(name, fontsize=7.5)
    else:
        axes.set_title(name.replace(" ", "\n"), fontsize=6.2)


def _handles(components: list[str]) -> list[Patch]:
    fills = style.COMPONENT_FILLS
    return [
        Patch(facecolor=fills[c][0], hatch=fills[c][1], edgecolor="#333333", lw=0.3, label=c)
        for c in components
    ]


PLOT = Plot(
    name="cycle-stack",
    title="Where the cycles went",
    caption=(
        "A bar is a cell's estimated time as a multiple of native's, divided by what it was spent "
        "on; the number is the whole. Panels differ in scale; the vertical line is native's time."
    ),
    needs="a native cell and an equivalent one of another technique",
    columns=("family", "row", "variant", "component", "share"),
    data=data,
    draw=draw,
    split="family",
    most=27,
)
