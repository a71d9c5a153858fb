"""`trapbench merge`: result folders of several machines made one."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("merge")
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
def command(out: Path, folders: tuple[Path, ...]) -> None:
    """Put the cells of FOLDERS into the new result folder OUT.

    They must come from the same version of trapbench; a cell that two of them hold must be the same
    in both. `trapbench run --resume --out OUT` then runs what is still missing.
    """
    from results import merging

    whole = merging.merge(out, folders)
    of = "1 folder" if len(folders) == 1 else f"{len(folders)} folders"
    click.echo(f"{len(whole.plan)} cells of {of} merged into {out}")
