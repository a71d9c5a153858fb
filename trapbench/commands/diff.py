"""`trapbench diff`: exact differences between two result folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 100


@click.command("diff")
@click.argument("left", type=click.Path(path_type=Path))
@click.argument("right", required=False, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print every difference as JSON.")
def command(left: Path, right: Path | None, as_json: bool) -> int:
    """Compare the counters of two result folders exactly; exit status 1 when any differs.

    RIGHT is the newest folder in trapbench-runs unless it is named.
    """
    from results import difference, folder, reader

    right = right or folder.newest()
    differing = difference.difference(reader.read(left), reader.read(right))
    if as_json:
        click.echo(json.dumps(differing.to_dict("records"), indent=1, default=int))
    elif differing.empty:
        click.echo(f"{left} and {right} agree in every counter")
    else:
        _print(differing, left, right)
    return 0 if differing.empty else 1


def _print(differing: pd.DataFrame, left: Path, right: Path) -> None:
    from results.cell import IDENTITY
    from trapbench import terminal

    columns = ["workload", "technique", "knobs", "scope", "counter", "left", "right"]
    shown = differing[columns].head(_SHOWN)
    rows = (["–" if value is None else str(value) for value in row] for row in shown.to_numpy())
    cells = len(differing.drop_duplicates(list(IDENTITY)))
    title = f"{len(differing)} differences in {cells} cells: left {left}, right {right}"
    terminal.print_table(title, columns, rows, left=5)
    if len(differing) > _SHOWN:
        click.echo(f"and {len(differing) - _SHOWN} more; --json prints all")
