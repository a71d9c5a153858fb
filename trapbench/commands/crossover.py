"""`trapbench crossover`: where one technique overtakes another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command("crossover")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--vary", required=True, metavar="KEY", help="A cost, or several as in 'vmx.*'.")
@click.option("--between", nargs=2, metavar="T1 T2", help="Only these two techniques.")
@click.option("--preset", default="nehalem", show_default=True, help="Whose costs to apply.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    folder: Path | None,
    vary: str,
    between: tuple[str, str] | None,
    preset: str,
    as_json: bool,
) -> None:
    """Solve for the cost at which two techniques take the same time, for each workload.

    Other costs stay at the preset's values. A pair that never meets keeps its winner.
    """
    from hardware_model import presets
    from results import crossover, cycles
    from results import folder as folders
    from results.run import Run

    if between and between[0] == between[1]:
        raise click.UsageError("--between takes two different techniques")
    run = Run.load(folder or folders.newest()).selected((), between or ()).costed_on(preset)
    amounts = cycles.amounts(run.valid_counters())
    table = crossover.crossovers(amounts, presets.load(preset), vary, between or ())
    if as_json:
        click.echo(table.to_json(orient="records", indent=1))
    else:
        _print(table, f"{run.path}: break-even of {vary} on {preset}")


def _print(table: pd.DataFrame, title: str) -> None:
    from trapbench import terminal

    same = [name for name in ("size", "io", "geometry") if table[name].nunique() <= 1]
    columns = [name for name in table.columns if name not in same]
    rows = ([_text(row[name]) for name in columns] for row in table.to_dict("records"))
    left = next(n for n, name in enumerate(columns) if name == "factor")
    terminal.print_table(title, columns, rows, left=left)


def _text(value: object) -> str:
    if isinstance(value, float):
        return "never" if value != value else f"{value:,.4g}"
    return str(value)
