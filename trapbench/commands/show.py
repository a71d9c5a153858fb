"""`trapbench show`: the tables of a result folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from results.run import Run


@click.command("show")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--preset", default="nehalem", show_default=True, help="Whose costs to apply.")
@click.option(
    "--by",
    type=click.Choice(["component", "counter", "exit", "interval"]),
    help="Cycles by component, every counter, the instructions that exited most, or how sure the "
    "ratios are.",
)
@click.option("--workload", "workloads", multiple=True, metavar="W", help="Only these. Repeatable.")
@click.option(
    "--technique", "techniques", multiple=True, metavar="T", help="Only these. Repeatable."
)
def command(
    folder: Path | None,
    preset: str,
    by: str | None,
    workloads: tuple[str, ...],
    techniques: tuple[str, ...],
) -> None:
    """Show a result folder (the newest): entries into the VMM, and estimated cycles over native.

    A cell that diverged from native, failed or was skipped shows that instead of a ratio.
    """
    from results import folder as folders
    from results.run import Run
    from trapbench import views

    show: dict[str | None, Callable[[Run, str], None]] = {
        None: views.overview,
        "component": views.by_component,
        "counter": views.by_counter,
        "exit": views.by_exit,
        "interval": views.by_interval,
    }
    stored = Run.load(folder or folders.newest()).selected(workloads, techniques)
    run = stored.costed_on(preset)
    show[by](run, preset)
    views.troubles(run)
