"""Folders of several machines become one, or a sentence says why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from results import manifest, merging, reader
from results.errors import ResultsError
from results.finished import Finished

Fill = Callable[..., Path]


def _set(folder: Path, **changes: object) -> None:
    replace(manifest.read(folder), **changes).write(folder)  # type: ignore[arg-type]


def test_cells_of_all_folders_are_in_the_new_one(
    native: Finished, ept: Finished, fill_folder: Fill, tmp_path: Path
) -> None:
    whole = fill_folder("whole", [native, ept])
    left, right = (
        fill_folder("left", [native]),
        fill_folder("right", [ept, replace(native, host_seconds=9.0)]),
    )
    merging.merge(tmp_path / "out", [left, right])
    merged, expected = reader.read(tmp_path / "out"), reader.read(whole)
    assert merged.runs.equals(expected.runs) and merged.counters.equals(expected.counters)
    assert "left" in merged.manifest.command and "right" in merged.manifest.command


def test_a_cell_with_two_results_is_refused(
    native: Finished, fill_folder: Fill, tmp_path: Path
) -> None:
    other = replace(native, counters={"roi": {"instructions": 1001}})
    folders = [fill_folder("left", [native]), fill_folder("right", [other])]
    with pytest.raises(ResultsError, match=r"right has another result .* native × nano/syscall"):
        merging.merge(tmp_path / "out", folders)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "newer"}, "different versions of the model"),
        ({"workloads": {"nano/syscall": "x"}}, "ran different workloads: nano/syscall"),
        ({"geometries": {"nehalem": "x"}}, "ran different geometries: nehalem"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    changes: dict[str, object],
    sentence: str,
    native: Finished,
    ept: Finished,
    fill_folder: Fill,
    tmp_path: Path,
) -> None:
    left, right = fill_folder("left", [native]), fill_folder("right", [ept])
    _set(left, workloads={"nano/syscall": "d"}, geometries={"nehalem": "d"})
    _set(right, **{"workloads": {"nano/syscall": "d"}, "geometries": {"nehalem": "d"}} | changes)
    with pytest.raises(ResultsError, match=sentence):
        merging.merge(tmp_path / "out", [left, right])


def test_a_folder_that_is_taken_is_refused(native: Finished, fill_folder: Fill) -> None:
    folder = fill_folder("left", [native])
    with pytest.raises(ResultsError, match="name a new folder"):
        merging.merge(folder, [folder])
