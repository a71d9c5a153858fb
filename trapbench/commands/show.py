"""`trapbench show`: the tables of a result folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.text import Text

    from results.run import Run

_STYLES = {"diverged": "bold white on red", "failed": "bold red", "skipped": "dim"}


@click.command("show")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--preset", default="nehalem", show_default=True, help="Whose costs to apply.")
@click.option(
    "--by",
    type=click.Choice(["component", "counter", "exit"]),
    help="Cycles by component, every counter, or the instructions that exited most.",
)
@click.option("--workload", "workloads", multiple=True, metavar="W", help="Only these. Repeatable.")
@click.option("--technique", "techniques", multiple=True, metavar="T", help="Only these. Repeatable.")
def command(
    folder: Path | None,
    preset: str,
    by: str | None,
    workloads: tuple[str, ...],
    techniques: tuple[str, ...],
) -> None:
    """Show a result folder (the newest): entries into the VMM, and estimated cycles over native.

    A cell that diverged from native, failed or was skipped shows that instead of a figure.
    """
    from results import folder as folders
    from results.run import Run
    from trapbench import terminal

    run = Run.load(folder or folders.newest())
    run = run.selected(workloads, techniques)
    console = terminal.console()
    views: dict[str | None, Callable[[Console, Run, str], None]] = {
        None: _overview,
        "component": _by_component,
        "counter": _by_counter,
        "exit": _by_exit,
    }
    views[by](console, run, preset)
    _troubles(console, run)
