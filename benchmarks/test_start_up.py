"""Start-up: the help page, the first cell with warm caches, a machine by memory size; one worker against two."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from hardware_model.machine import Machine

MIB = 1 << 20
#: Compiled modules are kept, as they are for a user: warm caches mean these too.
_ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def command(*arguments: str) -> float:
    """Wall-clock seconds of `python -m trapbench` with these arguments."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "trapbench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=_ENVIRONMENT | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - begin


def report(benchmark: BenchmarkFixture, seconds: float, aim: str) -> None:
    """Print a time beside its aim."""
    benchmark.extra_info["seconds"] = round(seconds, 3)
    print(f"\n{benchmark.name}: {seconds:.2f} s (aim {aim})", end="")


def test_help(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(lambda: command("--help"), rounds=5, warmup_rounds=1)
    report(benchmark, min(command("--help") for _ in range(3)), "0.3 s")


def test_first_cell(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    def first(number: int) -> float:
        chosen = ("--technique", "native", "--workload", "nano/callret", "--jobs", "1")
        return command("run", *chosen, "--out", str(tmp_path / str(number)))

    first(0)
    benchmark.pedantic(lambda: first(1), rounds=1)
    report(benchmark, min(first(n) for n in range(2, 5)), "1.5 s")


@pytest.mark.parametrize("mebibytes", [16, 64, 256, 1024, 4096])
def test_machine_by_memory_size(benchmark: BenchmarkFixture, mebibytes: int) -> None:
    """Memory is sparse: a machine costs what its guest touches."""
    benchmark.pedantic(lambda: Machine(mebibytes * MIB), rounds=5, warmup_rounds=1)


def test_two_workers_against_one(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    def family(jobs: int, number: int) -> float:
        chosen = ("--workload", "kernel", "--workload", "memory", "--size", "standard")
        return command(
            "run", *chosen, "--jobs", str(jobs), "--out", str(tmp_path / f"{jobs}-{number}")
        )

    one, two = family(1, 0), family(2, 0)
    benchmark.pedantic(lambda: family(2, 1), rounds=1)
    benchmark.extra_info["speed-up"] = round(one / two, 2)
    print(f"\ntwo workers: {one / two:.2f} x one (aim 1.8)", end="")
