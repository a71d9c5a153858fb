"""Folders of several machines made one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from results import manifest
from results.cell import Cell
from results.errors import ResultsError
from results.finished import Finished
from results.folder import ResultFolder
from results.manifest import Manifest


def merge(out: Path, folders: Sequence[Path]) -> Manifest:
    """Put the cells of finished or unfinished `folders` into the new folder `out`; its manifest.

    Raises ResultsError when they come from different versions of the model, when one cell has two
    different results, or when `out` is taken.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ResultsError(f"{out} exists; name a new folder to merge into")
    parts = [manifest.read(folder) for folder in folders]
    _check_versions(folders, parts)
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.extended(part)
    command = f"merged from {', '.join(str(folder) for folder in folders)}"
    whole = replace(whole, command=command, host={"merged": [part.host for part in parts]})
    with ResultFolder.locked(out) as target:
        target.begin(whole)
        for folder, part in zip(folders, parts, strict=True):
            _copy(ResultFolder(folder), part, target)
        target.complete(whole)
    return whole


def _check_versions(folders: Sequence[Path], parts: Sequence[Manifest]) -> None:
    """Counters of different sources are of different models, and are not to be compared."""
    first = parts[0]
    for folder, part in zip(folders[1:], parts[1:], strict=True):
        if part.model != first.model:
            raise ResultsError(
                f"{folder} and {folders[0]} were run by different versions of the model; run one again"
            )
        for kind in ("workloads", "geometries"):
            mine, theirs = getattr(first, kind), getattr(part, kind)
            if differing := sorted(n for n in mine.keys() & theirs.keys() if mine[n] != theirs[n]):
                raise ResultsError(
                    f"{folder} and {folders[0]} ran different {kind}: {differing[0]}"
                )


def _copy(source: ResultFolder, plan: Manifest, target: ResultFolder) -> None:
    for planned in plan.plan:
        found = source.load(planned.cell)
        if found is None:
            continue
        other = target.load(planned.cell)
        if other is not None and _facts(other) != _facts(found):
            raise ResultsError(
                f"{source.path} has another result than the others for {_name(found.cell)}"
            )
        if other is None:
            target.store(found)


def _facts(finished: Finished) -> Finished:
    """The cell without what depends on the host."""
    return replace(finished, host_seconds=0.0, notes="")


def _name(cell: Cell) -> str:
    return str(cell)
