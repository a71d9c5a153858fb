"""The views of `trapbench show`, printed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import pandas as pd
from rich.text import Text

from results import tables
from results.cell import NATIVE
from results.finished import DIVERGED, FAILED, OK
from results.run import Run
from trapbench.terminal import console, print_table

_STYLES = {DIVERGED: "bold white on red", FAILED: "bold red"}
_NOTHING = Text("–", style="dim")


def overview(run: Run, preset: str) -> None:
    """One row per workload: native cycles, then entries into the VMM and cycles over native."""
    statuses, entries = tables.statuses(run), tables.entries_into_vmm(run)
    ratios, cycles = tables.ratios(run, preset), tables.native_cycles(run, preset)
    others = [variant for variant in statuses.columns if variant != NATIVE]
    headers = [f"{v}\n{what}" for v in others for what in ("entries", "× native")]

    def pair(row: str, variant: str) -> tuple[Text, Text]:
        return _number(_value(entries, row, variant)), _ratio(statuses, ratios, row, variant)

    rows = (
        [row, _number(cycles.get(row)), *chain.from_iterable(pair(row, v) for v in others)]
        for row in statuses.index
    )
    title = f"{run.path}: entries into the VMM, and cycles over native estimated for {preset}"
    print_table(title, ["workload", "native\ncycles", *headers], rows)


def by_component(run: Run, preset: str) -> None:
    """One row per cell: where its estimated cycles went."""
    stack = tables.cycle_stack(run, preset)
    rows = ([*cell, *map(_number, stack.loc[cell])] for cell in stack.index)
    title = f"{run.path}: cycles by component, estimated for {preset}"
    print_table(title, ["workload", "technique", *stack.columns], rows, left=2)


def by_counter(run: Run, _preset: str) -> None:
    """One row per workload and counter that is not zero everywhere."""
    wide = tables.counters(run)
    rows = ([*place, *map(_number, wide.loc[place])] for place in wide.index)
    title = f"{run.path}: counters of the regions of interest"
    print_table(title, ["workload", "counter", *wide.columns], rows, left=2)


def by_exit(run: Run, _preset: str) -> None:
    """The guest instructions that caused most exits, by cell."""
    rows = (
        [row, variant, reason, f"{rip:#x}", symbol, _number(count)]
        for row, variant, reason, rip, symbol, count in tables.hot_exits(run).to_numpy()
    )
    columns = ["workload", "technique", "reason", "guest RIP", "symbol", "exits"]
    print_table(f"{run.path}: hot exits", columns, rows, left=5)


def by_interval(run: Run, preset: str) -> None:
    """One row per cell: its cycles over native, between which bounds, and how likely it wins."""
    table = tables.intervals(run, preset)
    rows = (
        [row, variant, *(f"{number:,.3g}" for number in numbers), f"{probability:.0%}"]
        for row, variant, *numbers, probability in table.to_numpy()
    )
    title = f"{run.path}: cycles over native and 90 % intervals of sampled costs, on {preset}"
    columns = ["workload", "technique", "× native", "low", "high", "fastest"]
    print_table(title, columns, rows, left=2)


def troubles(run: Run) -> None:
    """One line for each cell that is not as its workload declares."""
    for line in sentences(run.unexpected()):
        console().print(line)


def sentences(cells: pd.DataFrame) -> Iterator[Text]:
    """One line for each of these rows of `runs`, its status first."""
    for cell in cells.to_dict("records"):
        why = cell["reason"] or f"it was expected to be {cell['expected']}"
        place = f": {cell['technique']} × {cell['workload']}: {why}"
        status = cell["status"]
        yield Text.assemble((status.upper(), _STYLES.get(status, "bold")), place)


def _ratio(statuses: pd.DataFrame, ratios: pd.DataFrame, row: str, variant: str) -> Text:
    """The ratio of an equivalent cell; of any other, or of one whose speed is not the question, its status."""
    status, ratio = _value(statuses, row, variant), _value(ratios, row, variant)
    if status == OK and ratio is not None:
        return Text(f"{ratio:,.2f}")
    return _NOTHING if status is None else Text(status, style=_STYLES.get(status, "dim"))


def _value(frame: pd.DataFrame, row: str, variant: str) -> Any:
    """What the frame has there; None when it has nothing."""
    if row not in frame.index or variant not in frame.columns:
        return None
    value: Any = frame.loc[row, variant]
    return None if pd.isna(value) else value


def _number(value: Any) -> Text:
    return _NOTHING if value is None or pd.isna(value) else Text(f"{value:,.0f}")
