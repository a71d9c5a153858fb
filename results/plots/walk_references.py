"""Page-walk references by footprint: one-dimensional walks against two-dimensional ones."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from results.cycles import ROI
from results.plots import labels, rows, style
from results.plots.plot import Plot
from results.run import Run

_FAMILY = "memory/pointer-chase"
_COUNTERS = ["walk.reference", "insn.load"]
_PAGE_SIZES = {0: "4 KiB pages", 4: "2 MiB pages"}


def data(run: Run, _preset: str) -> pd.DataFrame:
    """One row per cell of the pointer chase: `footprint` in KiB, `references` per load, `pages`."""
    counters = run.valid_counters()
    chosen = counters["workload"].str.startswith(_FAMILY) & (counters["scope"] == ROI)
    chosen &= counters["counter"].isin(_COUNTERS)
    named = rows.labelled(counters[chosen])
    keys = ["workload", "size", "variant", "knobs", "technique"]
    wide = named.pivot_table(index=keys, columns="counter", values="value", fill_value=0)
    wide = wide.reindex(columns=_COUNTERS, fill_value=0).reset_index()
    known = [run.manifest.parameters.get(f"{w} {s}", {}) for w, s in wide[keys[:2]].to_numpy()]
    table = wide.assign(
        footprint=[_kib(p) for p in known],
        pages=[_PAGE_SIZES[p.get("mmap_flags", 0) & 4] for p in known],
        references=wide["walk.reference"] / wide["insn.load"],
    )
    one_node_per_page = np.array([p.get("spacing") == 4096 for p in known], bool)
    return table[one_node_per_page & (table["footprint"] > 0)].sort_values("footprint")


def _kib(parameters: Mapping[str, int]) -> float:
    return parameters.get("footprint", 0) / 1024


def draw(table: pd.DataFrame) -> Figure:
    """A panel per page size, a line per technique."""
    sizes = sorted(set(table["pages"]), reverse=True)
    made, [panels] = style.figure(3.4, 1, len(sizes), sharey=True)
    top = float(table["references"].max()) * 1.08 or 1.0
    for axes, pages in zip(panels, sizes, strict=True):
        _panel(axes, table[table["pages"] == pages], top)
        axes.set_title(pages)
    panels[0].set_ylabel("page-table entries read by walks, per load")
    return made


def _panel(axes: Axes, part: pd.DataFrame, top: float) -> None:
    axes.set(xscale="log", ylim=(-0.04 * top, top))
    axes.set_xscale("log", base=2)
    ends = []
    for variant in style.in_order(list(part["variant"])):
        look, line = style.mark(variant), part[part["variant"] == variant]
        axes.plot(
            line["footprint"],
            line["references"],
            color=look.colour,
            marker=look.marker,
            linestyle=look.dash,
        )
        ends.append((*line[["footprint", "references"]].iloc[-1], variant, look.colour))
    axes.set_xticks(
        sorted(set(part["footprint"])), [_size(v) for v in sorted(set(part["footprint"]))]
    )
    axes.minorticks_off()
    style.grid(axes, "y")
    axes.set_xlabel("footprint (bytes)")
    labels.at_line_ends(axes, labels.together(ends, 0.02 * top), 0.2)


def _size(kib: float) -> str:
    return f"{kib:g} Ki" if kib < 1024 else f"{kib / 1024:g} Mi"


PLOT = Plot(
    name="walk-references",
    title="Page-walk references by footprint",
    caption=(
        "A pointer chase with one node per page, over ever larger memory. While the TLBs reach, "
        "nothing is walked; past that, each load reads page-table entries, and those of both "
        "dimensions under EPT."
    ),
    needs="the workload memory/pointer-chase in several footprints",
    columns=("pages", "variant", "footprint", "references"),
    data=data,
    draw=draw,
)
