"""A result folder on disk: a small file per finished cell, and tables made of them at the end.

<folder>/manifest.json      plan and provenance; `finished` tells whether the tables are whole
<folder>/cells/<slug>.json  one finished cell each: the facts
<folder>/counters.parquet   made from the cells when the last one has finished, as are
<folder>/runs.parquet
<folder>/exits.parquet
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from results import atomic, consolidate, manifest
from results.cell import Cell
from results.errors import ResultsError
from results.finished import Finished
from results.manifest import Manifest

DEFAULT_PARENT = Path("trapbench-runs")


def default_path(now: datetime | None = None) -> Path:
    """`trapbench-runs/<UTC time>` in the current folder, suffixed when that second is taken."""
    stamp = (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H%M%SZ")
    path, number = DEFAULT_PARENT / stamp, 1
    while path.exists():
        number += 1
        path = DEFAULT_PARENT / f"{stamp}-{number}"
    return path


def newest(parent: Path = DEFAULT_PARENT) -> Path:
    """The result folder in `parent` whose name is last; ResultsError when there is none."""
    folders = [p for p in parent.glob("*") if manifest.is_result_folder(p)]
    if not folders:
        raise ResultsError(f"no result folder in {parent}/; name one, or run `trapbench run` first")
    return max(folders, key=lambda folder: folder.name)


class ResultFolder:
    """A folder open for writing; at most one process writes to it at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cells = path / "cells"

    @classmethod
    @contextmanager
    def locked(cls, path: Path) -> Iterator[ResultFolder]:
        """Create the folder where needed and hold its lock; ResultsError when it is in use."""
        folder = cls(path)
        try:
            folder._cells.mkdir(parents=True, exist_ok=True)
            lock = (folder._cells / ".lock").open("w")
        except OSError as error:
            place = error.filename or path
            raise ResultsError(f"{place} cannot be written to ({error.strerror})") from error
        with lock:
            try:
                # The kernel drops the lock when the process ends, however it ends.
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ResultsError(f"{path} is in use by another trapbench run") from error
            yield folder

    def store(self, finished: Finished) -> None:
        """Store one finished cell; when this returns, a kill cannot lose it."""
        atomic.write_text(self._cells / f"{finished.cell.slug}.json", finished.to_json())

    def load(self, cell: Cell) -> Finished | None:
        """The stored cell, None when it has not finished; ResultsError when its file is broken."""
        path = self._cells / f"{cell.slug}.json"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ResultsError(f"{path} cannot be read ({error})") from error
        return Finished.from_json(text, path)

    def begin(self, plan: Manifest) -> None:
        """Record what is going to be run; the tables count as unfinished from here."""
        replace(plan, finished=False).write(self.path)

    def complete(self, plan: Manifest) -> None:
        """Make the tables from the cells of the plan, then declare the folder finished."""
        consolidate.write_tables(self.path, plan.plan, self.load)
        replace(plan, finished=True).write(self.path)
