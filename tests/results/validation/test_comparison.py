"""Predictions stand beside published figures; nothing else may read those figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from hardware_model import presets
from results import published
from results.cell import Cell
from results.finished import Finished
from results.run import Run
from results.validation import comparison, reasons
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


def test_a_latency_is_the_native_one_and_what_the_technique_adds(
    native: Finished, fill_folder: Callable[..., Path]
) -> None:
    def cell(technique: str, **counters: int) -> Finished:
        identity = Cell("kernel/gate-call", "small", "emulated", "prescott", technique)
        counted = {"roi": {name.replace("_", "."): n for name, n in counters.items()}}
        return replace(native, cell=identity, counters=counted)

    calls = {"interrupt_software": 10}
    cells = [cell("native", **calls), cell("pv", **calls, trap_syscall=10)]
    found = row(comparison.compare([Run.load(fill_folder("b", cells))]), "lmbench null call", "pv")
    added = 242 / 2.4e9 * 1e6  # one SYSCALL into the VMM and back on Prescott, at the paper's clock
    assert found["predicted"] == pytest.approx(0.45 + added)
    assert found["added"] == pytest.approx(added / (0.46 - 0.45))
    assert "exchange GS" in found["reason"]


def test_a_knob_of_the_papers_technique_is_preferred(
    native: Finished, fill_folder: Callable[..., Path]
) -> None:
    def cell(technique: str, knobs: str, callouts: int) -> Finished:
        identity = Cell("kernel/gate-call", "small", "emulated", "prescott", technique, knobs)
        counted = {"roi": {"interrupt.software": 10, "bt.callout": callouts}}
        return replace(native, cell=identity, counters=counted)

    policy = '{"bt.fence":"none","shadow.policy":"virtual-tlb"}'
    cells = [cell("native", "{}", 0), cell("bt", "{}", 1000), cell("bt", policy, 10)]
    found = row(comparison.compare([Run.load(fill_folder("b", cells))]), "lmbench null call", "bt")
    assert found["predicted"] == pytest.approx(0.45 + 216 / 2.4e9 * 1e6)


def test_cells_on_linux_are_preferred_where_there_are_any(
    native: Finished, fill_folder: Callable[..., Path]
) -> None:
    def cell(workload: str, technique: str, exits: int) -> Finished:
        identity = Cell(workload, "small", "emulated", "prescott", technique)
        counted = {"roi": {"insn.syscall": 30, "exits": exits}}
        return replace(native, cell=identity, counters=counted)

    own, linux = "kernel/fork-wait@process", "linux/fork-wait@process"
    cells = [cell(own, "native", 0), cell(own, "hvm-shadow", 10)]
    name, forks = "forkwait (40000 iterations)", 40_000
    per_exit = 3963 + presets.load("prescott").costs["vmm.exit_dispatch"].value
    found = row(comparison.compare([Run.load(fill_folder("c", cells))]), name, "hvm-shadow")
    assert found["predicted"] == pytest.approx(6.02 + forks * per_exit / 3.8e9)
    assert found["ran"] == own
    cells += [cell(linux, "native", 0), cell(linux, "hvm-shadow", 50)]
    found = row(comparison.compare([Run.load(fill_folder("d", cells))]), name, "hvm-shadow")
    assert found["predicted"] == pytest.approx(6.02 + forks * 5 * per_exit / 3.8e9)
    assert found["ran"] == linux


def test_every_row_that_can_be_predicted_has_a_reason_if_it_is_missed() -> None:
    rows = published.validation()
    for row in rows[rows["technique"] != "native"].to_dict("records"):
        if row["benchmark"] in EXPERIMENTS.get(row["source_id"], {}):
            found = reasons.reason(row["source_id"], row["benchmark"], row["technique"])
            assert found, row
