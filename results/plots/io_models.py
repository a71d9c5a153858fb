"""I/O models: entries into the VMM per packet, and cycles per byte."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from results import cycles
from results.cell import NATIVE, canonical_knobs
from results.cycles import ROI
from results.plots import style
from results.plots.plot import Plot
from results.run import Run
from results.tables import ENTRIES_INTO_VMM

_WORKLOADS = ("io/network-", "io/disk-")
_SECTOR = 512
_CELL = ["workload", "size", "io", "geometry", "technique", "knobs"]
_POSTED = "passthrough, posted"
_MODELS = ("emulated", "paravirtual", "passthrough", _POSTED)
_BY_KNOBS = {
    canonical_knobs({}): "",
    canonical_knobs({"passthrough.interrupts": "posted"}): _POSTED,
}
"""The model that cells with these knobs are a kind of by themselves; "": their own."""
#: Where none is drawn on a logarithmic axis.
_LEAST = 0.02


def data(run: Run, preset: str) -> pd.DataFrame:
    """One row per cell: `entries` per packet or disk request, and `cycles` per byte moved.

    The native cell stands beside each model: it has the device to itself.
    """
    costed = run.costed_on(preset)
    counters = costed.valid_counters()
    counters = counters[
        counters["workload"].str.startswith(_WORKLOADS)
        & counters["knobs"].isin(_BY_KNOBS)
        & ((counters["knobs"] == "{}") | (counters["io"] == "passthrough"))
    ]
    if counters.empty:
        return pd.DataFrame(columns=list(PLOT.columns))
    roi = counters[(counters["scope"] == ROI) & counters["counter"].isin(ENTRIES_INTO_VMM)]
    entries = roi.groupby(_CELL)["value"].sum().rename("entered").reset_index()
    totals = cycles.ratios(counters, preset).merge(entries, on=_CELL, how="left")
    amount = [
        _moved(run.manifest.parameters.get(f"{w} {s}", {})) for w, s in totals[_CELL[:2]].to_numpy()
    ]
    operations, size = zip(*amount, strict=True)
    table = totals.assign(
        row=totals["workload"].str.removeprefix("io/"),
        io=totals["knobs"].map(_BY_KNOBS).where(totals["knobs"] != "{}", totals["io"]),
        variant=totals["technique"],
        entries=totals["entered"].fillna(0) / pd.Series(operations, totals.index),
        cycles=totals["cycles"]
        / (pd.Series(operations, totals.index) * pd.Series(size, totals.index)),
    )
    native = table[table["technique"] == NATIVE]
    repeated = [native.assign(io=model) for model in sorted(set(table["io"]) - {"emulated"})]
    return pd.concat([table, *repeated]).dropna(subset=["cycles"]).sort_values(["row", "io"])


def _moved(parameters: dict[str, int]) -> tuple[float, float]:
    """How many packets or requests a cell moves, and the bytes of each; NaN when it does not say."""
    if "frames" in parameters and "bytes" in parameters:
        return parameters["frames"], parameters["bytes"]
    if "requests" in parameters and "sectors" in parameters:
        return parameters["requests"], parameters["sectors"] * _SECTOR
    return float("nan"), float("nan")


def draw(table: pd.DataFrame) -> Figure:
    """A line per workload and I/O model; entries on the left, cycles on the right."""
    places = [
        (row, io)
        for row in dict.fromkeys(table["row"])
        for io in _MODELS
        if ((table["row"] == row) & (table["io"] == io)).any()
    ]
    made, [[left, right]] = style.figure(1.1 + 0.17 * len(places), 1, 2, sharey=True)
    variants = style.in_order(list(table["variant"]))
    for variant in variants:
        look, part = style.mark(variant), table[table["variant"] == variant]
        heights = [places.index(place) for place in zip(part["row"], part["io"], strict=True)]
        for axes, column in ((left, "entries"), (right, "cycles")):
            values = part[column].clip(lower=_LEAST)
            axes.scatter(
                values, heights, s=22, c=look.colour, marker=look.marker, linewidths=0, zorder=3
            )
    left.set_xlabel("entries into the VMM per packet or request\n(number)")
    right.set_xlabel("estimated cycles per byte")
    _lay_out(left, right, places)
    style.technique_legend(made, variants)
    return made


def _lay_out(left: Axes, right: Axes, places: list[tuple[str, str]]) -> None:
    left.set_yticks(range(len(places)), [f"{row}, {io}" for row, io in places], fontsize=6.5)
    left.set_ylim(len(places) - 0.4, -0.6)
    left.set(xscale="log", xlim=(_LEAST / 1.5, 100))
    right.set(xscale="log")
    workloads = list(dict.fromkeys(row for row, _ in places))
    style.plain_numbers(right, "x")
    left.xaxis.set_minor_locator(NullLocator())  # none lies between 'none' and the rest
    left.set_xticks([_LEAST, 0.1, 1, 10, 100], ["none", "0.1", "1", "10", "100"])
    for axes in (left, right):
        style.grid(axes)
        for place, (row, _) in enumerate(places):
            if workloads.index(row) % 2 == 0:
                axes.axhspan(place - 0.5, place + 0.5, color=style.FAINT, linewidth=0, zorder=0)


PLOT = Plot(
    name="io-models",
    title="I/O models",
    caption=(
        "How often the VMM is entered for a packet or a disk request, and what a byte costs, by I/O "
        "model: an emulated device, a para-virtual one, and a device assigned through VT-d, its "
        "interrupts posted or not. Native has the device to itself."
    ),
    needs="workloads of the family io",
    columns=("row", "io", "variant", "entries", "cycles"),
    data=data,
    draw=draw,
)
