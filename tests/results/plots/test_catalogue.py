"""Every plot keeps its contract: declared columns, units on the axes, everything inside the page."""

from __future__ import annotations

from dataclasses import replace

import matplotlib
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from results.cell import IDENTITY, canonical_knobs
from results.plots import catalogue, saving, style
from results.plots.plot import Plot, pictures
from results.run import Run

#: What the run of these tests shows, by plot.
DRAWN = {
    "overhead": ["overhead-kernel", "overhead-memory"],
    "cycle-stack": ["cycle-stack-kernel", "cycle-stack-memory"],
    "exits": ["exits-bt", "exits-hvm-ept", "exits-hvm-shadow", "exits-pv"],
    "generations": ["generations"],
    "crossovers": ["crossovers"],
    "shadow-updates": ["shadow-updates"],
    "walk-references": ["walk-references"],
    "validation": ["validation-times-native"],
}
BY_NAME = {plot.name: plot for plot in catalogue.PLOTS}


@pytest.mark.parametrize("name", DRAWN)
def test_a_plot_draws_what_the_run_holds(name: str, run: Run) -> None:
    assert [picture.name for picture in pictures(BY_NAME[name], run, "nehalem")] == DRAWN[name]


@pytest.mark.parametrize("plot", catalogue.PLOTS, ids=lambda plot: plot.name)
def test_data_has_the_declared_columns_even_without_cells(plot: Plot, run: Run) -> None:
    empty = run.selected(["kernel"], [])
    empty.runs, empty.counters = empty.runs[:0], empty.counters[:0]
    assert list(pictures(plot, empty, "nehalem")) == []


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_every_picture_names_its_quantity(name: str, run: Run) -> None:
    for picture in pictures(BY_NAME[name], run, "nehalem"):
        saving.rendered(picture.figure, "png", dpi=50)
        texts = [text for text in picture.figure.findobj(Text) if text.get_text()]
        assert any(
            word in text.get_text()
            for text in texts
            for word in ("number", "cycles", "per load", "times")
        )
        assert outside(picture.figure) == []


def outside(figure: Figure) -> list[str]:
    """Texts that do not lie wholly on the page."""
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    page = figure.bbox.padded(1)
    return [
        text.get_text()
        for text in figure.findobj(Text)
        if text.get_text() and text.get_visible() and text.get_clip_on() is False
        for box in [text.get_window_extent(renderer)]
        if not (page.contains(box.x0, box.y0) and page.contains(box.x1, box.y1))
    ]


def test_more_rows_than_fit_a_printed_page_go_on_in_a_further_picture(run: Run) -> None:
    rows = [f"workload {number:02}" for number in range(60)]
    table = pd.DataFrame({"family": "io", "row": rows, "variant": "bt", "ratio": 2.0})
    table = table.assign(low=1.5, high=3.0)
    plot = replace(BY_NAME["overhead"], data=lambda _run, _preset: table)
    made = list(pictures(plot, run, "nehalem"))
    assert [p.name for p in made] == ["overhead-io", "overhead-io-2"]
    assert made[1].title == "Cycles over native: io (2 of 2)"
    shown = [[t.get_text() for t in p.figure.axes[0].get_yticklabels()] for p in made]
    assert [name for page in shown for name in page] == rows
    assert all(p.figure.get_figheight() < 11 for p in made)


def test_a_narrow_axis_has_ticks_all_the_same() -> None:
    axes = Figure().subplots()
    for limits, wanted in (
        ((0.98, 1.26), ["1", "1.1", "1.2"]),
        ((0.99, 1.05), ["1", "1.02", "1.04"]),
    ):
        axes.set(xscale="log", xlim=limits)
        style.plain_numbers(axes, "x")
        seen = [t for t in axes.get_xticks() if limits[0] <= t <= limits[1]]
        assert [style.number(round(t, 6)) for t in seen] == wanted


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0048, "0.0048"), (0.3, "0.30"), (1, "1.00"), (15.27, "15.3"), (566, "566")],
)
def test_a_ratio_has_three_digits_or_two_where_it_is_small(value: float, text: str) -> None:
    assert style.ratio(value) == text


def test_an_svg_is_the_same_every_time(run: Run) -> None:
    plot = BY_NAME["overhead"]
    first, second = (
        [saving.rendered(picture.figure, "svg") for picture in pictures(plot, run, "nehalem")]
        for _ in range(2)
    )
    assert first == second
    assert b"<text" in first[0] and b"hvm-ept" in first[0]


def test_drawing_leaves_matplotlibs_settings_alone(run: Run) -> None:
    before = dict(matplotlib.rcParams)
    list(pictures(BY_NAME["overhead"], run, "nehalem"))
    assert dict(matplotlib.rcParams) == before


def test_techniques_keep_their_look_whatever_else_is_drawn() -> None:
    looks = {style.mark(name) for name in ("native", "bt", "pv", "hvm-shadow", "hvm-ept")}
    assert len({look.colour for look in looks}) == len({look.marker for look in looks}) == 5
    assert style.mark("hvm-shadow shadow.policy=unsync") == style.mark("hvm-shadow")


def _isolation(run: Run) -> Run:
    """The run with an attack that is blocked, and one that reaches its aim."""
    cell = dict(run.runs.iloc[0]) | {"workload": "isolation/dma@write", "technique": "hvm-ept"}
    open_ = cell | {"knobs": '{"protection":false}'}
    run.runs = pd.concat([run.runs, pd.DataFrame([cell, open_])], ignore_index=True)
    identity = {name: cell[name] for name in IDENTITY}
    counted = [
        {**identity, "scope": "total", "counter": "dma.blocked", "value": 3},
        {
            **identity,
            "knobs": open_["knobs"],
            "scope": "total",
            "counter": "isolation.breach.bytes",
            "value": 64,
        },
    ]
    run.counters = pd.concat([run.counters, pd.DataFrame(counted)], ignore_index=True)
    return run


def test_the_isolation_table_says_what_became_of_each_attack(run: Run) -> None:
    table = BY_NAME["isolation"].data(_isolation(run), "nehalem")
    assert table[["attack", "outcome", "said"]].to_numpy().tolist() == [
        ["dma@write", "blocked", "blocked: 3 faults"],
        ["dma@write protection=off", "reached", "reached: 64 bytes"],
    ]
    [picture] = pictures(BY_NAME["isolation"], run, "nehalem")
    saving.rendered(picture.figure, "png", dpi=50)
    assert outside(picture.figure) == []


POSTED = {"passthrough.interrupts": "posted"}


def test_io_models_are_compared_by_packet_and_byte(run: Run) -> None:
    run.manifest.parameters["io/network-receive small"] = {"frames": 100, "bytes": 50}
    cell = dict(run.runs.iloc[0]) | {"workload": "io/network-receive"}
    cells = [
        cell,
        cell | {"technique": "hvm-ept"},
        cell | {"technique": "hvm-ept", "io": "paravirtual"},
        cell | {"technique": "hvm-ept", "io": "passthrough", "knobs": canonical_knobs(POSTED)},
        cell | {"technique": "hvm-ept", "io": "emulated", "knobs": canonical_knobs(POSTED)},
        cell | {"technique": "hvm-ept", "knobs": canonical_knobs({"vpid": False})},
    ]
    run.runs = pd.DataFrame(cells)
    identities = [{name: c[name] for name in IDENTITY} for c in cells]
    counted = [{**i, "scope": "roi", "counter": "insn.alu", "value": 20_000} for i in identities]
    counted += [{**identities[2], "scope": "roi", "counter": "exits", "value": 25}]
    run.counters = pd.DataFrame(counted)
    table = BY_NAME["io-models"].data(run, "nehalem").set_index(["io", "variant"])
    assert table.loc[("paravirtual", "hvm-ept"), "entries"] == 0.25
    assert table.loc[("emulated", "hvm-ept"), "entries"] == 0
    assert set(table.index.get_level_values("io")) == {
        *("emulated", "paravirtual", "passthrough, posted")
    }
    assert len(table.loc["emulated"]) == 2  # knobs that make no model of their own are left out
    assert (
        table.loc[("paravirtual", "native"), "cycles"]
        == table.loc[("emulated", "native"), "cycles"]
    )
    assert table.loc[("emulated", "native"), "cycles"] == pytest.approx(
        20_000 * 0.5 / 5000, rel=0.9
    )
