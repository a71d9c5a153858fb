"""`trapbench plot`: comparison plots of a result folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click


@click.command("plot")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--preset", default="nehalem", show_default=True, help="Whose costs to apply.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder; DIR/plots.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["png", "svg"]),
    default="png",
    show_default=True,
    help="Of the pictures.",
)
@click.option("--only", multiple=True, metavar="PLOT", help="Only these plots. Repeatable.")
def command(
    folder: Path | None,
    preset: str,
    out: Path | None,
    format_: Literal["png", "svg"],
    only: tuple[str, ...],
) -> None:
    """Draw the plots of a result folder (the newest) into DIR/plots.

    A plot whose cells the run does not hold says what it needs.
    """
    from results import folder as folders
    from results.plots import catalogue, plot, saving
    from results.run import Run
    from trapbench.errors import unknown

    names = [one.name for one in catalogue.PLOTS]
    for name in only:
        if name not in names:
            raise unknown("plot", name, names)
    run = Run.load(folder or folders.newest())
    target = out or run.path / "plots"
    target.mkdir(parents=True, exist_ok=True)
    for chosen in (one for one in catalogue.PLOTS if one.name in only or not only):
        written = []
        for picture in plot.pictures(chosen, run, preset):
            written.append(target / f"{picture.name}.{format_}")
            saving.save(picture.figure, written[-1], format_)
        said = ", ".join(map(str, written)) or f"nothing to draw: needs {chosen.needs}"
        click.echo(f"{chosen.name}: {said}")
