"""Predictions stand beside published figures; nothing else may read those figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from results import published
from results.cell import Cell
from results.finished import Finished
from results.run import Run
from results.validation import comparison
from results.validation.experiments import CANNOT_RUN, EXPERIMENTS

KEYS = ["source_id", "benchmark"]


@pytest.fixture
def run(native: Finished, fill_folder: Callable[..., Path]) -> Run:
    def cell(technique: str, **counters: int) -> Finished:
        identity = Cell("nano/in", "small", "emulated", "prescott", technique)
        counted = {"roi": {name.replace("_", "."): n for name, n in counters.items()}}
        return replace(native, cell=identity, counters=counted)

    base = cell("native", insn_in=10, port_in=10)
    return Run.load(fill_folder("a", [base, cell("bt", bt_callout=10)]))


def row(table: pd.DataFrame, benchmark: str, technique: str) -> pd.Series:
    chosen = (table["benchmark"] == benchmark) & (table["technique"] == technique)
    return table[chosen].iloc[0]


def test_every_published_row_has_an_experiment_or_a_reason() -> None:
    for source, benchmark in published.validation()[KEYS].drop_duplicates().to_numpy():
        known = EXPERIMENTS.get(source, {}).keys() | CANNOT_RUN.get(source, {}).keys()
        assert benchmark in known


def test_no_experiment_is_declared_for_a_row_that_is_not_published() -> None:
    rows = set(map(tuple, published.validation()[KEYS].to_numpy()))
    for table in (EXPERIMENTS, CANNOT_RUN):
        assert {(s, b) for s, by_name in table.items() for b in by_name} <= rows


def test_a_prediction_is_cycles_of_one_operation(run: Run) -> None:
    found = row(comparison.compare([run]), "nanobench in (port 0x80)", "bt")
    assert found["status"] == "predicted"
    assert found["expected"] == 216
    assert found["predicted"] == pytest.approx(216)  # one callout of Prescott
    assert found["ordering"] == "reproduced"
    assert not found["untouched"]


def test_a_cell_that_was_not_run_is_pending_and_says_why(run: Run) -> None:
    found = row(comparison.compare([run]), "nanobench cr8write", "bt")
    assert found["status"] == "pending"
    assert found["reason"] == "the folder holds no cell bt × nano/cr8wr"


def test_rows_of_ones_own_are_compared_too(run: Run) -> None:
    own = published.validation().head(3).assign(source_id="MINE")
    table = comparison.compare([run], own=own)
    assert set(table[table["source_id"] == "MINE"]["status"]) == {"cannot run"}


def test_only_validation_reads_the_validation_rows() -> None:
    import results

    for path in Path(results.__file__).parent.rglob("*.py"):
        if "validation" not in path.parts and path.parent.name != "published":
            assert "published.validation" not in path.read_text("utf-8"), path
