"""`trapbench report`: one offline HTML file about a result folder."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("report")
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--preset", default="nehalem", show_default=True, help="Whose costs to apply.")
@click.option("--out", type=click.Path(path_type=Path), help="The file; DIR/report.html.")
def command(folder: Path | None, preset: str, out: Path | None) -> None:
    """Write a report of a result folder (the newest): one HTML file that needs no network.

    It says what was run, gives a verdict per workload in words, and holds tables, plots, hot exits,
    what porting took (with pv cells), claims, validation, limits and provenance.
    """
    import techniques
    from results import atomic
    from results import folder as folders
    from results.report import document
    from results.run import Run
    from trapbench import code_size
    from workloads.porting_ledger import ledger

    run = Run.load(folder or folders.newest())
    target = out or run.path / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    sizes = {name: code_size.lines(name) for name in techniques.names()}
    counted = ledger()
    porting = document.Porting(counted.shared_lines, counted.rows())
    atomic.write_text(target, document.render(run, preset, sizes, porting))
    click.echo(f"{target}: {target.stat().st_size / 1e6:.1f} MB")
