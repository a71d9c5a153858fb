"""`trapbench compare-host`: a real host's exits and KVM statistics beside the model's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd


@click.command("compare-host")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--technique", default="hvm-ept", show_default=True, help="Whose counters.")
@click.option("--workload", "workloads", multiple=True, metavar="W", help="Only these. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    file: Path, folder: Path | None, technique: str, workloads: tuple[str, ...], as_json: bool
) -> None:
    """Set a host's FILE beside a result folder (the newest).

    FILE is the text of `perf kvm stat report`, a log of `kvm_stat`, KVM's binary statistics or the text
    that QEMU or virsh makes of them, or a CSV with the columns name and value. Shares are of all exits.
    docs/compare-host.md says how to make them, and which name is which counter.
    """
    from results import folder as folders
    from results.host import comparison, reader
    from results.run import Run

    host = reader.read(file)
    run = Run.load(folder or folders.newest()).selected(workloads, (technique,))
    table = comparison.compare(host, run, technique)
    if as_json:
        click.echo(table.to_json(orient="records", indent=1))
    else:
        _print(table, f"{file} beside {technique} in {run.path}")


def _print(table: pd.DataFrame, title: str) -> None:
    from trapbench import terminal

    columns = ["host's name", "counter", "note", "host", "share", "model", "share", "host µs"]
    rows = (_texts(row) for row in table.to_dict("records"))
    terminal.print_table(title, columns, rows, left=3)


def _texts(row: dict[Any, Any]) -> list[str]:
    return [
        str(row["name"]),
        str(row["counter"]),
        str(row["note"]),
        _number(row["host"], ",.0f"),
        _number(row["host_share"], ".1%"),
        _number(row["model"], ",.0f"),
        _number(row["model_share"], ".1%"),
        _number(row["microseconds"], ",.2f"),
    ]


def _number(value: float, form: str) -> str:
    return "–" if value != value else format(value, form)
