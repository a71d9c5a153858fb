"""Start-up: the help page, the first cell with warm caches, a machine by memory size; one worker against two."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bars import Board
from hardware_model.machine import Machine
from results.run import Run

MIB = 1 << 20
#: Compiled modules are kept, as they are for a user: warm caches mean these too. Finished cells are run again.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
_ENVIRONMENT |= {"TRAPBENCH_CACHE": "off", "PYTHONPATH": str(Path(__file__).parents[1])}


def command(*arguments: str) -> float:
    """Wall-clock seconds of `python -m trapbench` with these arguments."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "trapbench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_ENVIRONMENT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - begin


def test_help(benchmark: BenchmarkFixture, board: Board) -> None:
    benchmark.pedantic(lambda: command("--help"), rounds=5, warmup_rounds=1)
    print("\n" + board.measured("help", min(command("--help") for _ in range(3))), end="")


def test_first_cell(benchmark: BenchmarkFixture, board: Board, tmp_path: Path) -> None:
    def first(number: int) -> float:
        chosen = ("--technique", "native", "--workload", "nano/callret", "--jobs", "1")
        return command("run", *chosen, "--out", str(tmp_path / str(number)))

    first(0)
    benchmark.pedantic(lambda: first(1), rounds=1)
    print("\n" + board.measured("first cell", min(first(n) for n in range(2, 5))), end="")


@pytest.mark.parametrize("mebibytes", [16, 64, 256, 1024, 4096])
def test_machine_by_memory_size(benchmark: BenchmarkFixture, mebibytes: int) -> None:
    """Memory is sparse: a machine costs what its guest touches."""
    benchmark.pedantic(lambda: Machine(mebibytes * MIB), rounds=5, warmup_rounds=1)


def test_the_default_matrix(benchmark: BenchmarkFixture, board: Board, tmp_path: Path) -> None:
    """Every technique over every workload, with two workers: a person's first command."""
    seconds = benchmark.pedantic(
        lambda: command("run", "--jobs", "2", "--out", str(tmp_path / "matrix")), rounds=1
    )
    print("\n" + board.measured("matrix", seconds))
    print_cells(tmp_path / "matrix")


def print_cells(folder: Path) -> None:
    """Host seconds of a folder's cells by technique, and the slowest ones."""
    runs = Run.load(folder).runs
    by_technique = runs.groupby("technique")["host_seconds"].agg(["size", "sum", "median"])
    print(by_technique.sort_values("sum").round(3).to_string())
    slowest = runs.nlargest(10, "host_seconds")[["technique", "workload", "io", "host_seconds"]]
    print(slowest.round(2).to_string(index=False), end="")


def test_two_workers_against_one(benchmark: BenchmarkFixture, board: Board, tmp_path: Path) -> None:
    """Cells of two families, start-up and tables included."""

    def family(jobs: int, number: int) -> float:
        chosen = ("--workload", "kernel", "--workload", "memory", "--jobs", str(jobs))
        return command("run", *chosen, "--out", str(tmp_path / f"{jobs}-{number}"))

    first, begun = family(1, 0), family(2, 0)
    again = benchmark.pedantic(lambda: family(2, 1), rounds=1)
    ratio = min(first, family(1, 1)) / min(begun, again)
    print("\n" + board.measured("two workers", ratio, "whole command"), end="")
