"""The store: what is written comes back, in the same order, whoever finished first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from results import folder, reader
from results.cell import Cell, canonical_knobs
from results.errors import ResultsError
from results.finished import Finished
from results.folder import ResultFolder
from results.schema import TABLES

Fill = Callable[..., Path]


def test_counters_come_back_exactly(native: Finished, ept: Finished, fill_folder: Fill) -> None:
    stored = reader.read(fill_folder("a", [native, ept]))
    rows = stored.counters[["technique", "scope", "counter", "value"]].to_numpy().tolist()
    assert rows == [
        ["hvm-ept", "roi", "exits", 7],
        ["hvm-ept", "roi", "instructions", 1000],
        ["hvm-ept", "total", "exits", 9],
        ["native", "roi", "instructions", 1000],
        ["native", "total", "instructions", 2**64 - 1],
    ]
    assert stored.counters["value"].dtype == "uint64"


def test_runs_and_exits_come_back(native: Finished, ept: Finished, fill_folder: Fill) -> None:
    stored = reader.read(fill_folder("a", [native, ept]))
    assert stored.runs["status"].tolist() == ["ok", "ok"]
    assert stored.runs["console"].tolist() == ["", "hello"]
    assert stored.exits[["reason", "rip", "symbol", "count"]].to_numpy().tolist() == [
        ["cpuid", 0xFFFFFFFF80100000, "probe+4", 7]
    ]


def test_tables_do_not_depend_on_the_order_of_finishing(
    native: Finished, ept: Finished, fill_folder: Fill
) -> None:
    forward = reader.read(fill_folder("a", [native, ept]))
    backward = reader.read(fill_folder("b", [ept, native]))
    pd.testing.assert_frame_equal(forward.counters, backward.counters)
    pd.testing.assert_frame_equal(forward.runs, backward.runs)


def test_a_run_without_cells_has_typed_empty_tables(fill_folder: Fill) -> None:
    stored = reader.read(fill_folder("a", []))
    assert stored.counters["value"].dtype == "uint64"
    assert len(stored.runs) == len(stored.exits) == 0


def test_a_stored_cell_reads_back_equal(ept: Finished, tmp_path: Path) -> None:
    with ResultFolder.locked(tmp_path / "a") as opened:
        opened.store(ept)
        assert opened.load(ept.cell) == ept


def test_a_failure_to_write_leaves_no_partial_file(ept: Finished, tmp_path: Path) -> None:
    with ResultFolder.locked(tmp_path / "a") as opened:
        opened.store(ept)
    names = [path.name for path in (tmp_path / "a" / "cells").iterdir()]
    assert sorted(names) == [".lock", f"{ept.cell.slug}.json"]


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    with (
        ResultFolder.locked(tmp_path / "a"),
        pytest.raises(ResultsError, match="in use by another trapbench run"),
        ResultFolder.locked(tmp_path / "a"),
    ):
        pass


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ResultsError, match=r"file.* cannot be written to \(Not a directory\)"),
        ResultFolder.locked(tmp_path / "file" / "a"),
    ):
        pass


def test_the_newest_folder_is_the_last_by_name(fill_folder: Fill, tmp_path: Path) -> None:
    for name in ("2026-01-02T000000Z", "2026-01-10T000000Z"):
        fill_folder(name, [])
    (tmp_path / "zzz").mkdir()
    assert folder.newest(tmp_path).name == "2026-01-10T000000Z"


def test_without_result_folders_there_is_no_newest(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no result folder in"):
        folder.newest(tmp_path)


def test_knob_order_does_not_make_another_cell() -> None:
    assert canonical_knobs({"b": 1, "a": True}) == canonical_knobs({"a": True, "b": 1})


def test_cells_that_differ_in_any_field_have_different_files() -> None:
    cell = Cell("a/b", "small", "emulated", "nehalem", "native")
    others = [replace(cell, **{name: "x"}) for name in ("workload", "size", "io", "geometry")]
    assert len({c.slug for c in [cell, *others]}) == 5


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_declares_the_columns_of_a_cell_first(table: object) -> None:
    assert list(table.columns)[:6] == list(TABLES[0].columns)[:6]  # type: ignore[attr-defined]
