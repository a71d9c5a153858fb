"""`trapbench validate`: predictions beside published figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("source_id", "benchmark", "technique", "quantity", "expected", "predicted", "ratio")


@click.command("validate")
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option("--preset", metavar="P", help="Predict every row with this preset.")
@click.option(
    "--own",
    type=click.Path(path_type=Path),
    help="A CSV of your own measurements; docs/validation.md tells its columns.",
)
@click.option(
    "--run",
    "run_into",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Run what the rows need into DIR first (a few minutes); what is there already is kept.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every row as JSON.")
def command(
    folders: tuple[Path, ...],
    preset: str | None,
    own: Path | None,
    run_into: Path | None,
    as_json: bool,
) -> None:
    """Set the predictions of result folders (the newest) beside published figures.

    Each row has a preset of its own; a folder that was run with that preset's geometry serves it
    best. No number of the model was set or chosen from these rows.
    """
    from results import folder as stored
    from results.run import Run
    from results.validation import comparison
    from results.validation import own as own_rows

    if run_into is not None:
        from trapbench import validation_runs

        runs = validation_runs.run(run_into) + [Run.load(folder) for folder in folders]
    else:
        runs = [Run.load(folder) for folder in folders or (stored.newest(),)]
    table = comparison.compare(runs, preset, own_rows.read(own) if own else None)
    if as_json:
        click.echo(table.drop(columns="citation").to_json(orient="records", indent=1))
        return
    _print(table)


def _print(table: pd.DataFrame) -> None:
    from results.validation import comparison
    from trapbench import terminal

    found = table[table["status"].isin([comparison.PREDICTED, comparison.BASELINE])]
    columns = [*_COLUMNS[:4], "published", *_COLUMNS[5:], "ordering", "why"]
    rows = (_texts(row) for row in found.to_dict("records"))
    terminal.print_table("Published figures and predictions", columns, rows, left=4)
    others = table[~table.index.isin(found.index)]
    rows = (
        [row[name] for name in (*_COLUMNS[:3], "status", "reason")]
        for row in others.to_dict("records")
    )
    terminal.print_table(
        "Rows without a prediction", [*_COLUMNS[:3], "status", "reason"], rows, left=5
    )
    for line in summary(table):
        click.echo(line)


def summary(table: pd.DataFrame) -> list[str]:
    """How many rows and orderings came out, and the median errors."""
    from results.validation import comparison

    predicted = table[table["status"] == comparison.PREDICTED]
    orders = table[table["ordering"] != ""].drop_duplicates(["source_id", "benchmark"])["ordering"]
    lines = [
        f"{len(predicted)} of {len(table)} rows predicted; orderings reproduced: "
        f"{(orders == 'reproduced').sum()} of {len(orders)}"
    ]
    for name, rows in (
        ("all predicted rows", predicted),
        ("benchmarks that no calibration touched", predicted[predicted["untouched"]]),
        *((f"in {unit}", part) for unit, part in predicted.groupby("quantity")),
    ):
        if len(rows):
            error = comparison.median_error(rows)
            lines.append(f"median absolute error, {name} ({len(rows)}): {error:.0%}")
    if predicted["added"].notna().any():
        error = comparison.median_error(predicted, "added")
        lines.append(
            f"median absolute error of what techniques add to native latencies: {error:.0%}"
        )
    return lines


def _texts(row: Mapping[Any, Any]) -> list[str]:
    numbers = [f"{row[name]:,.4g}" for name in ("expected", "predicted", "ratio")]
    return [
        *(str(row[name]) for name in _COLUMNS[:4]),
        *numbers,
        str(row["ordering"]),
        str(row["reason"]),
    ]
