"""Exact differences between two result folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from results import reader
from results.difference import difference
from results.finished import Finished

Fill = Callable[..., Path]


def _difference(left: Path, right: Path) -> list[list[object]]:
    frame = difference(reader.read(left), reader.read(right))
    rows: list[list[object]] = (
        frame[["technique", "scope", "counter", "left", "right"]].to_numpy(dtype=object).tolist()
    )
    return rows


def test_equal_folders_do_not_differ_whatever_the_host_took(
    native: Finished, ept: Finished, fill_folder: Fill
) -> None:
    left = fill_folder("a", [native, ept])
    right = fill_folder("b", [replace(native, host_seconds=9.0), ept])
    assert _difference(left, right) == []


def test_a_counter_that_differs_by_one_is_found(
    native: Finished, ept: Finished, fill_folder: Fill
) -> None:
    huge = {**native.counters, "total": {"instructions": 2**64 - 2}}
    left = fill_folder("a", [native, ept])
    right = fill_folder("b", [replace(native, counters=huge), ept])
    row = ["native", "total", "instructions", 2**64 - 1, 2**64 - 2]
    assert _difference(left, right) == [row]


def test_a_cell_that_only_one_side_has_differs(
    native: Finished, ept: Finished, fill_folder: Fill
) -> None:
    rows = _difference(fill_folder("a", [native]), fill_folder("b", [native, ept]))
    assert ["hvm-ept", "roi", "exits", None, 7] in rows
    assert ["hvm-ept", "run", "status", None, "ok"] in rows
    assert {row[0] for row in rows} == {"hvm-ept"}


def test_an_outcome_that_differs_is_found(
    native: Finished, ept: Finished, fill_folder: Fill
) -> None:
    left = fill_folder("a", [native])
    right = fill_folder("b", [replace(native, digest="d9")])
    assert _difference(left, right) == [["native", "run", "digest", "d1", "d9"]]
