"""Every way a result folder can be wrong is one clear sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results import reader
from results.errors import ResultsError
from results.finished import Finished
from results.schema import COUNTERS, SCHEMA_VERSION


@pytest.fixture
def folder(native: Finished, ept: Finished, fill_folder: Callable[..., Path]) -> Path:
    return fill_folder("a", [native, ept])


def _refused(folder: Path, sentence: str) -> None:
    with pytest.raises(ResultsError, match=sentence):
        reader.read(folder)


def _edit_manifest(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_missing_folder(tmp_path: Path) -> None:
    _refused(tmp_path / "none", "none is not a folder")


def test_a_folder_without_manifest(tmp_path: Path) -> None:
    _refused(tmp_path, "holds no manifest.json")


@pytest.mark.parametrize("text", ["", "{", "\x00\xff"])
def test_a_broken_manifest(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    _refused(folder, "manifest.json cannot be read")


@pytest.mark.parametrize("text", ["[]", "{}", '{"format": "something else"}'])
def test_a_foreign_manifest(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text)
    _refused(folder, "is not the manifest of a trapbench result folder")


def test_a_manifest_with_a_broken_plan(folder: Path) -> None:
    _edit_manifest(folder, plan=[{"cell": 3}])
    _refused(folder, "manifest.json is broken")


def test_a_newer_manifest(folder: Path) -> None:
    _edit_manifest(folder, schema_version=SCHEMA_VERSION + 1)
    _refused(folder, "written by a newer trapbench")


def test_an_unfinished_run(folder: Path) -> None:
    _edit_manifest(folder, finished=False)
    _refused(folder, r"unfinished \(2 of 2 cells are stored\); finish it with `trapbench run")


def test_a_missing_table(folder: Path) -> None:
    (folder / "counters.parquet").unlink()
    _refused(folder, r"counters.parquet is missing; restore it")


def test_a_truncated_table(folder: Path) -> None:
    path = folder / "counters.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    _refused(folder, "counters.parquet is no readable Parquet file")


def test_a_table_that_is_something_else(folder: Path) -> None:
    (folder / "runs.parquet").write_text("hello")
    _refused(folder, "runs.parquet is no readable Parquet file")


def test_a_table_written_by_another_program(folder: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), folder / "exits.parquet")
    _refused(folder, "exits.parquet was not written as the exits table of trapbench")


def test_one_table_in_the_place_of_another(folder: Path) -> None:
    (folder / "exits.parquet").write_bytes((folder / "runs.parquet").read_bytes())
    _refused(folder, "was not written as the exits table")


def test_a_table_that_lacks_a_column(folder: Path) -> None:
    arrow = pq.read_table(folder / COUNTERS.file_name).drop_columns(["value"])
    pq.write_table(arrow, folder / COUNTERS.file_name)
    _refused(folder, "counters.parquet has no column value of type uint64")


def test_a_newer_table(folder: Path) -> None:
    arrow = pq.read_table(folder / COUNTERS.file_name)
    metadata = {**arrow.schema.metadata, b"trapbench.schema": b"99"}
    pq.write_table(arrow.replace_schema_metadata(metadata), folder / COUNTERS.file_name)
    _refused(folder, "schema version 99, written by a newer trapbench")


def test_columns_that_a_later_version_adds_are_ignored(folder: Path) -> None:
    arrow = pq.read_table(folder / COUNTERS.file_name)
    wider = arrow.append_column("extra", pa.array([0] * len(arrow)))
    pq.write_table(
        wider.replace_schema_metadata(arrow.schema.metadata), folder / "counters.parquet"
    )
    assert list(reader.read(folder).counters) == list(COUNTERS.columns)


def test_what_a_later_version_adds_is_ignored(folder: Path) -> None:
    """Within one schema version a reader takes what it knows of every file."""
    before = reader.read(folder)
    _edit_manifest(folder, colour="blue")
    for path in (folder / "cells").glob("*.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "blue"}))
    counters = pq.read_table(folder / COUNTERS.file_name)
    metadata = counters.schema.metadata
    wider = counters.append_column("colour", pa.array(["blue"] * len(counters)))
    pq.write_table(wider.replace_schema_metadata(metadata), folder / COUNTERS.file_name)
    after = reader.read(folder)
    assert after.counters.equals(before.counters)
    assert after.manifest == before.manifest
    from results.folder import ResultFolder

    assert ResultFolder(folder).load(before.manifest.plan[0].cell) is not None
