"""Crossovers: the cost of a VM exit at which hardware assistance and its rivals take the same time."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardware_model import presets
from results import crossover, cycles
from results.claims.evidence import GENERATIONS
from results.plots import labels, style
from results.plots.plot import Plot
from results.run import Run

VARIED = "vmx.round_trip"
PAIRS = (("bt", "hvm-shadow"), ("pv", "hvm-shadow"), ("bt", "hvm-ept"), ("pv", "hvm-ept"))
_LOOK = dict(zip(PAIRS, ("s", "D", "s", "D"), strict=True))
_HARDWARE = {"hvm-shadow": style.BLUE, "hvm-ept": style.VERMILION}
#: Break-even costs outside of these are of no processor: cycles.
_RANGE = (50.0, 20_000.0)


def data(run: Run, preset: str) -> pd.DataFrame:
    """One row per workload and pair that meets: `cost`, the break-even in cycles of an exit and entry.

    `now` is the preset's cost with its `low` and `high`.
    """
    loaded = presets.load(preset)
    counters = run.costed_on(loaded).valid_counters()
    amounts = cycles.amounts(counters[counters["knobs"] == "{}"])
    tables = [crossover.crossovers(amounts, loaded, VARIED, pair) for pair in PAIRS]
    found = pd.concat(tables, ignore_index=True)
    now = loaded.costs.get(VARIED)
    if now is None or found.empty:
        return pd.DataFrame(columns=list(PLOT.columns))
    rival = found["first"].where(~found["first"].isin(_HARDWARE), found["second"])
    hardware = found["first"].where(found["first"].isin(_HARDWARE), found["second"])
    table = found.assign(rival=rival, hardware=hardware, now=now.value, low=now.low, high=now.high)
    return table[table["cost"].between(*_RANGE) & table["rival"].ne(table["hardware"])]


def draw(table: pd.DataFrame) -> Figure:
    """Workloads from top to bottom; the band is what an exit costs on the preset."""
    names = list(table.groupby("workload")["cost"].min().sort_values().index)
    made, [[axes]] = style.figure(_height(len(names)))
    low, high, now = (float(table[name].iloc[0]) for name in ("low", "high", "now"))
    axes.axvspan(low, high, color="#DDDDDD", linewidth=0, zorder=0)
    axes.axvline(now, color=style.BLACK, linewidth=0.8)
    for pair, marker in _LOOK.items():
        part = table[(table["rival"] == pair[0]) & (table["hardware"] == pair[1])]
        heights = [
            names.index(row) + (0.14 if pair[1] == "hvm-ept" else -0.14) for row in part["workload"]
        ]
        filled = style.mark(pair[0]).colour
        axes.scatter(
            part["cost"],
            heights,
            s=30,
            c=filled,
            marker=marker,
            edgecolors=_HARDWARE[pair[1]],
            linewidths=1.3,
            label=f"{pair[0]} against {pair[1]}",
            zorder=3,
        )
    axes.set(xscale="log", xlim=(_RANGE[0] / 1.2, _RANGE[1] * 1.2))
    style.plain_numbers(axes, "x")
    style.grid(axes)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlabel(
        "break-even cost of a VM exit and entry (cycles): cheaper, and hardware assistance wins"
    )
    _name_generations(axes, len(names))
    made.legend(loc="outside upper center", ncols=4, handletextpad=0.2)
    return made


def _height(rows: int) -> float:
    return 1.6 + 0.19 * rows


def _name_generations(axes: Axes, rows: int) -> None:
    """What an exit and entry cost on each preset, along the upper edge."""
    costs = {name: presets.load(name).costs.get(VARIED) for name in GENERATIONS}
    known = {name: cost.value for name, cost in costs.items() if cost is not None}
    upper = 1 + 0.25 / _height(rows)
    to_axes = axes.transData + axes.transAxes.inverted()
    places = [float(to_axes.transform((value, 0))[0]) for value in known.values()]
    for name, place, moved in zip(known, places, labels.spread(places, 0.026), strict=True):
        axes.annotate(
            name,
            (place, 1),
            xytext=(moved, upper),
            xycoords="axes fraction",
            textcoords="axes fraction",
            rotation=60,
            fontsize=6.5,
            ha="left",
            rotation_mode="anchor",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "shrinkA": 0, "shrinkB": 0},
        )


PLOT = Plot(
    name="crossovers",
    title="What a VM exit may cost before another technique wins",
    caption=(
        "For each workload on which exits decide, the cost of a VM exit and entry at which a "
        "technique without VT-x (fill) takes as long as one with it (edge). The line and the band "
        "are the preset's cost and its range; the names above, where other processors lie. Other "
        "costs stay as they are."
    ),
    needs="workloads run under bt or pv and under hardware assistance",
    columns=("workload", "rival", "hardware", "cost", "now", "low", "high"),
    data=data,
    draw=draw,
)
