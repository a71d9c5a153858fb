"""Finished cells kept by content key, so that no folder runs again what another one has run.

The folder is that of the user's caches, or what TRAPBENCH_CACHE names; `off` turns it off.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from results import atomic
from results.errors import ResultsError
from results.finished import FAILED, Finished
from results.planned import Planned

VARIABLE = "TRAPBENCH_CACHE"
#: Cells kept; when there are more, those that were not used for longest go.
LIMIT = 20_000


class CellCache:
    """A folder of finished cells. Losing it costs time, never a result.

    `found` is how many cells have been taken from it.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self.found = 0

    @classmethod
    def of_user(cls) -> CellCache | None:
        """The user's cache, None when it is turned off."""
        named = os.environ.get(VARIABLE, "")
        if named == "off":
            return None
        return cls(
            Path(named) if named else Path(platformdirs.user_cache_dir("trapbench")) / "cells"
        )

    def find(self, planned: Planned) -> Finished | None:
        """The cell as it was once run under the same content key; None when it never was."""
        path = self._path(planned.key)
        try:
            found = Finished.from_json(path.read_text("utf-8"), path)
            os.utime(path)
        except (OSError, ValueError, ResultsError):
            return None
        if (found.key, found.cell) != (planned.key, planned.cell):
            return None
        self.found += 1
        return found

    def keep(self, finished: Finished) -> None:
        """Keep a cell that ran; one that failed may have done so because of the host."""
        if finished.status == FAILED:
            return
        path = self._path(finished.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(path, finished.to_json())
        except (OSError, ResultsError):
            return  # a full or read-only disk makes the cache useless, not the run

    def prune(self) -> None:
        """Remove what is beyond the limit."""
        cells = [(path.stat().st_mtime, path) for path in self._folder.glob("*/*.json")]
        for _, path in sorted(cells)[: max(0, len(cells) - self._limit)]:
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"
