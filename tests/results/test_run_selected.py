"""Narrowing a run to workloads and techniques."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from results.errors import ResultsError
from results.finished import Finished
from results.run import Run


@pytest.fixture
def run(native: Finished, ept: Finished, fill_folder: Callable[..., Path]) -> Run:
    other = replace(native, cell=replace(native.cell, workload="exit/cpuid"))
    return Run.load(fill_folder("a", [native, ept, other]))


def test_nothing_named_is_everything(run: Run) -> None:
    assert len(run.selected((), ()).runs) == 3


def test_a_family_selects_its_workloads(run: Run) -> None:
    chosen = run.selected(["nano"], ())
    assert set(chosen.runs["workload"]) == {"nano/syscall"}
    assert set(chosen.counters["workload"]) == {"nano/syscall"}


def test_native_stays_for_comparison(run: Run) -> None:
    chosen = run.selected(["nano/syscall"], ["hvm-ept"])
    assert sorted(chosen.runs["technique"]) == ["hvm-ept", "native"]


def test_what_was_not_run_is_an_error(run: Run) -> None:
    with pytest.raises(ResultsError, match="holds no cell of kernel"):
        run.selected(["kernel"], ())


def test_each_name_must_have_a_cell_and_those_that_there_are_are_told(run: Run) -> None:
    there = "holds no cell of hvm; it holds hvm-ept, native"
    with pytest.raises(ResultsError, match=there):
        run.selected((), ["hvm"])
    with pytest.raises(ResultsError, match="no cell of kernel/pipe; it holds exit/cpuid"):
        run.selected(["nano/syscall", "kernel/pipe"], ())


def test_unexpected_cells_are_those_that_contradict_their_workload(
    native: Finished, ept: Finished, fill_folder: Callable[..., Path]
) -> None:
    diverged = replace(ept, digest="d2", outcome={"memory": "m2", "registers": "r1"})
    run = Run.load(fill_folder("b", [native, diverged]))
    assert run.unexpected()["reason"].tolist() == ["memory differs from native"]
    assert run.valid()["technique"].tolist() == ["native"]


def test_attacks_enter_no_comparison_of_speed(
    native: Finished, ept: Finished, fill_folder: Callable[..., Path]
) -> None:
    attack = replace(ept, cell=replace(ept.cell, workload="isolation/dma"))
    run = Run.load(fill_folder("c", [native, ept, attack]))
    assert "isolation/dma" in set(run.runs["workload"])
    assert set(run.valid()["workload"]) == {"nano/syscall"}
    assert set(run.ratios("nehalem")["workload"]) == {"nano/syscall"}
