"""Generations: one line per technique across the microarchitectures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hardware_model import presets
from results import cycles
from results.cell import NO_CHOICE
from results.claims.evidence import GENERATIONS
from results.plots import labels, rows, style
from results.plots.plot import Plot
from results.run import Run

_PANELS = 2


def data(run: Run, _preset: str) -> pd.DataFrame:
    """One row per family, technique and preset: `mean`, the geometric mean of cycles over native.

    Only workloads that every technique shown ran as native did enter, so that the lines of a
    family are about the same work; trap-and-emulate is left out where it ran less than the others.
    """
    parts = [_on(run, preset, place) for place, preset in enumerate(GENERATIONS)]
    return pd.concat(parts, ignore_index=True)


def _on(run: Run, preset: str, place: int) -> pd.DataFrame:
    loaded = presets.load(preset)
    counters = run.valid_counters()
    ratios = rows.labelled(cycles.ratios(counters[counters["knobs"] == "{}"], loaded))
    ratios = ratios[ratios["technique"].isin([*_shown(run)]) & (ratios["ratio"] > 0)]
    complete = ratios.groupby(["family", "row"])["technique"].transform("nunique")
    ratios = ratios[complete == ratios["technique"].nunique()]
    priced = run.costed_on(loaded).valid()
    ratios = ratios[ratios["technique"].isin(priced["technique"])]
    means = ratios.groupby(["family", "variant"])["ratio"].agg(
        mean=lambda r: float(np.exp(np.log(r).mean())), workloads="size"
    )
    year = loaded.title.rpartition(" ")[2].strip("()")
    return means.reset_index().assign(place=place, preset=f"{preset} ’{year[2:]}")


def _shown(run: Run) -> list[str]:
    techniques = set(run.valid()["technique"]) - set(NO_CHOICE)
    return style.in_order(list(techniques))


def draw(table: pd.DataFrame) -> Figure:
    """A panel per family of workloads, with generations from left to right."""
    families = list(dict.fromkeys(table["family"]))
    lines = -(-len(families) // _PANELS)
    made, grid = style.figure(0.4 + 2.2 * lines, lines, _PANELS)
    axes = [one for line in grid for one in line]
    for one, family in zip(axes, families, strict=False):
        part = table[table["family"] == family]
        _panel(one, part)
        one.set_title(f"{family} ({part['workloads'].iloc[0]} workloads)")
    for unused in axes[len(families) :]:
        unused.set_visible(False)
    made.supylabel("cycles over native (geometric mean)", fontsize=8)
    return made


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    axes.set_yscale("log")
    low, high = float(part["mean"].min()), float(part["mean"].max())
    axes.set_ylim(min(low, 1) / 1.08, max(high, 1.2) * 1.08)
    names = part.drop_duplicates("place").sort_values("place")
    axes.set_xticks(
        names["place"].tolist(),
        names["preset"].tolist(),
        fontsize=6,
        rotation=40,
        ha="right",
        rotation_mode="anchor",
    )
    ends = []
    for variant in style.in_order(list(part["variant"])):
        look, line = style.mark(variant), part[part["variant"] == variant].sort_values("place")
        axes.plot(
            line["place"], line["mean"], color=look.colour, marker=look.marker, linestyle=look.dash
        )
        ends.append((*line[["place", "mean"]].iloc[-1], variant, look.colour))
    axes.axhline(1, color=style.BLACK, linewidth=0.8)
    style.plain_numbers(axes, "y")
    style.grid(axes, "y")
    labels.at_line_ends(axes, ends, 0.085)


PLOT = Plot(
    name="generations",
    title="Generations of processors",
    caption=(
        "The same counters, priced for each microarchitecture: the geometric mean of cycles over "
        "native of the workloads that all techniques shown ran. Techniques that need EPT begin where it does."
    ),
    needs="workloads that several techniques ran",
    columns=("family", "variant", "preset", "place", "mean", "workloads"),
    data=data,
    draw=draw,
)
