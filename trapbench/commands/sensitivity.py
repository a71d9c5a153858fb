"""`trapbench sensitivity`: which costs the conclusions hang on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

    from results.cycles import Amounts

_BAR = 24


@click.command("sensitivity")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--preset", default="nehalem", show_default=True, help="Whose costs and ranges.")
@click.option("--workload", "workloads", multiple=True, metavar="W", help="Only these. Repeatable.")
@click.option("--between", nargs=2, metavar="T1 T2", help="The ratio T1 to T2 of one workload.")
@click.option(
    "--top", type=click.IntRange(1), default=15, show_default=True, help="How many costs."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    folder: Path | None,
    preset: str,
    workloads: tuple[str, ...],
    between: tuple[str, str] | None,
    top: int,
    as_json: bool,
) -> None:
    """Move each cost alone from its low to its high, and rank costs by what that changes.

    By default, what changes is cycles over native, over all cells of the folder (the newest). With
    --between and one --workload (or a folder of one), it is the ratio of two techniques, as a tornado.
    """
    from hardware_model import presets
    from results import cycles, sensitivity
    from results import folder as folders
    from results.run import Run

    run = Run.load(folder or folders.newest()).selected(workloads, ()).costed_on(preset)
    amounts, loaded = cycles.amounts(run.valid_counters()), presets.load(preset)
    if between:
        workload = _the_workload(amounts, workloads)
        pair = [_cell(amounts, workload, technique) for technique in between]
        table = sensitivity.tornado(amounts, loaded, pair[0], pair[1]).head(top)
        table = table[table["swing"] > 0]
    else:
        table = sensitivity.over_all_cells(amounts, loaded).head(top)
    if as_json:
        click.echo(table.to_json(orient="records", indent=1))
    elif between:
        title = f"{run.path}: {between[0]} over {between[1]} on {workload}, costs of {preset}"
        _print(title, ["cost", "", "at low", "at high"], _bars(table), 2)
    else:
        title = f"{run.path}: what each cost alone does to cycles over native, on {preset}"
        _print(title, _HEADERS, map(_texts, table.to_dict("records")), 2)


_HEADERS = ["cost", "component", "low", "value", "high", "cells", "mean", "most in", "from", "to"]


def _the_workload(amounts: Amounts, chosen: tuple[str, ...]) -> str:
    """The one workload that was chosen, or the only one that there is."""
    there = chosen or tuple(sorted(set(amounts.cells["workload"])))
    if len(there) != 1:
        raise click.UsageError(
            f"--between compares on one workload: name it with --workload; there are {len(there)}"
        )
    return str(there[0])


def _cell(amounts: Amounts, workload: str, technique: str) -> int:
    """The row of the workload's cell with default knobs."""
    cells = amounts.cells
    chosen = cells[
        (cells["workload"] == workload)
        & (cells["technique"] == technique)
        & (cells["knobs"] == "{}")
    ]
    if chosen.empty:
        raise click.UsageError(f"the folder has no cell {technique} × {workload} to cost")
    return int(chosen.index[0])


def _print(title: str, columns: list[str], rows: Iterator[list[str]], left: int) -> None:
    from trapbench import terminal

    terminal.print_table(title, columns, rows, left=left)


def _texts(row: dict[Any, Any]) -> list[str]:
    return [
        str(row["cost"]),
        str(row["component"]),
        *(f"{row[name]:,.4g}" for name in ("low", "value", "high")),
        f"{row['cells']:,}",
        f"{row['mean']:.1%}",
        f"{row['technique']} × {row['workload']}",
        f"{row['at_low']:.3g}",
        f"{row['at_high']:.3g}",
    ]


def _bars(table: pd.DataFrame) -> Iterator[list[str]]:
    """One row per cost, with a bar between the ratios at its bounds."""
    ends = table[["at_low", "at_high"]]
    least, most = ends.min().min(), ends.max().max()
    for row in table.to_dict("records"):
        low, high = sorted((row["at_low"], row["at_high"]))
        start = round((low - least) / (most - least) * _BAR)
        width = max(1, round((high - low) / (most - least) * _BAR))
        bar = " " * start + "█" * width
        yield [row["cost"], bar, f"{row['at_low']:.4g}", f"{row['at_high']:.4g}"]
