"""Shadow-page updates against the guest's page-table activity."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.cycles import ROI
from results.plots import labels, rows, style
from results.plots.plot import Plot
from results.run import Run

_UPDATES = ("mmu.spte_set", "mmu.pte_updated", "mmu.shadow_created", "mmu.shadow_zapped")
_AREAS = {"trap-and-emulate": 110, "bt": 60}
_REQUESTS = "pv.mmu_update_entry"


def data(run: Run, _preset: str) -> pd.DataFrame:
    """One row per cell with shadow pages: `writes` that the guest makes, `updates` of shadow pages.

    `writes` is what the ported guest asked for on the same workload: its page-table writes are
    requests, counted one by one, whatever a shadow pager notices of them.
    """
    counters = run.valid_counters()
    named = rows.labelled(counters[counters["scope"] == ROI])
    place = named["family"] + "/" + named["row"]
    named = named.assign(row=place)
    asked = named[named["counter"] == _REQUESTS].groupby("row")["value"].max()
    updates = named[named["counter"].isin(_UPDATES)]
    sums = updates.groupby(["row", "variant"], as_index=False)["value"].sum()
    found = sums.assign(writes=sums["row"].map(asked), updates=sums["value"].astype(float))
    drawn: pd.DataFrame = found[(found["writes"] > 0) & (found["updates"] > 0)]
    return drawn


def draw(table: pd.DataFrame) -> Figure:
    """Both axes logarithmic, with the line of one update per write."""
    made, [[axes]] = style.figure(4.6)
    variants = style.in_order(list(table["variant"]))
    for variant in variants:
        look, part = style.mark(variant), table[table["variant"] == variant]
        # Techniques often agree to the entry: markers of falling size, the larger ones hollow.
        axes.scatter(
            part["writes"],
            part["updates"],
            s=_AREAS.get(variant, 18),
            c="none" if variant in _AREAS else look.colour,
            marker=look.marker,
            edgecolors=look.colour,
            linewidths=1.2,
            zorder=3,
        )
    top = float(table[["writes", "updates"]].max().max()) * 2
    axes.plot([1, top], [1, top], color=style.GREY, linewidth=0.8, linestyle="--")
    axes.annotate(
        "one update per write", (top, top), color=style.GREY, fontsize=7, ha="right", va="bottom"
    )
    axes.set(xscale="log", yscale="log", xlim=(1, top * 1.5), ylim=(1, top * 1.5))
    _name_workloads(axes, table)
    for axis in ("x", "y"):
        style.plain_numbers(axes, axis)
        style.grid(axes, axis)
    axes.set_xlabel(
        "page-table entries that the guest writes (number; requests of the ported guest)"
    )
    axes.set_ylabel("shadow entries set or changed,\nshadow pages made or dropped (number)")
    style.technique_legend(made, variants)
    return made


def _name_workloads(axes: Axes, table: pd.DataFrame) -> None:
    """Names right of the axes, at the height of the workload's highest marker."""
    highest = table.loc[table.groupby("row")["updates"].idxmax()]
    ends = [
        (float(writes), float(updates), ", ".join(part["row"]), "#444444")
        for (writes, updates), part in _groups(highest)
    ]
    labels.at_line_ends(axes, ends, 0.042)


def _groups(highest: pd.DataFrame) -> Iterator[tuple[tuple[float, float], pd.DataFrame]]:
    for place, part in highest.groupby(["writes", "updates"]):
        yield cast(tuple[float, float], place), part


PLOT = Plot(
    name="shadow-updates",
    title="What shadow pages cost to keep current",
    caption=(
        "Each marker is a workload under a technique with shadow page tables: how many page-table "
        "entries the guest writes, and how many updates of shadow pages followed."
    ),
    needs="workloads run under pv and under a technique with shadow page tables",
    columns=("row", "variant", "writes", "updates"),
    data=data,
    draw=draw,
)
