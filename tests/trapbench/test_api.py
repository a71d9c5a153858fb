"""The Python interface, on the real machine: the same counters whatever the number of workers."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import trapbench
from trapbench.cli import invoke
from trapbench.errors import SelectionError

TECHNIQUES = ["native", "hvm-shadow", "hvm-ept"]
WORKLOADS = ["compute/sieve", "compute/sha-256", "memory/page-table-churn"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> trapbench.Run:
    out = tmp_path_factory.mktemp("api") / "two-jobs"
    return trapbench.run(TECHNIQUES, WORKLOADS, jobs=2, out=out)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> trapbench.Run:
    out = tmp_path_factory.mktemp("api") / "one-job"
    return trapbench.run(TECHNIQUES, WORKLOADS, jobs=1, out=out)


def test_every_cell_is_equivalent_to_native(run: trapbench.Run) -> None:
    assert len(run.runs) == len(TECHNIQUES) * len(WORKLOADS)
    assert run.runs["reason"].tolist() == [""] * len(run.runs)
    assert set(run.runs["status"]) == {"ok"}
    assert run.unexpected().empty


def test_counters_do_not_depend_on_the_number_of_workers(
    run: trapbench.Run, again: trapbench.Run
) -> None:
    pd.testing.assert_frame_equal(run.counters, again.counters)
    pd.testing.assert_frame_equal(run.exits, again.exits)


def test_diff_agrees_that_two_runs_are_the_same(
    run: trapbench.Run, again: trapbench.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["diff", str(run.path), str(again.path)]) == 0
    assert "agree in every counter" in capsys.readouterr().out


def test_native_enters_no_vmm_and_the_others_do(run: trapbench.Run) -> None:
    exits = run.counters.query("scope == 'total' and counter == 'exits'")
    by_technique = exits.groupby("technique")["value"].sum()
    assert by_technique.get("native", 0) == 0
    assert by_technique["hvm-shadow"] > 0
    assert by_technique["hvm-ept"] > 0


def test_a_run_loads_again(run: trapbench.Run) -> None:
    loaded = trapbench.Run.load(run.path)
    pd.testing.assert_frame_equal(loaded.runs, run.runs)


def test_ratios_hold_one_row_per_equivalent_cell_and_native_is_one(run: trapbench.Run) -> None:
    ratios = run.ratios("nehalem")
    assert len(ratios) == len(run.valid())
    assert (ratios.loc[ratios["technique"] == "native", "ratio"] == 1.0).all()
    assert (ratios["ratio"] > 0).all()


@pytest.mark.parametrize("by", [[], ["--by", "component"], ["--by", "counter"], ["--by", "exit"]])
def test_show_prints_every_workload(
    run: trapbench.Run, by: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["show", str(run.path), *by]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("compute/sha-256", "hvm-ept"))


def test_show_of_a_workload_that_was_not_run_is_a_mistake(
    run: trapbench.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["show", str(run.path), "--workload", "compute/nothing"]) == 2
    assert "holds no cell of compute/nothing" in capsys.readouterr().err


def test_show_with_an_unknown_preset_is_a_mistake(
    run: trapbench.Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["show", str(run.path), "--preset", "nehalme"]) == 2
    error = capsys.readouterr().err
    assert "nehalme" in error
    assert error.count("\n") == 1


def test_one_name_need_not_be_a_list(tmp_path: Path) -> None:
    run = trapbench.run("native", "compute/sieve", out=tmp_path / "a")
    assert run.runs["workload"].tolist() == ["compute/sieve"]


def test_an_unknown_name_is_an_exception(tmp_path: Path) -> None:
    with pytest.raises(SelectionError, match="unknown technique 'nothing'"):
        trapbench.run("nothing", out=tmp_path / "a")
