"""Scale: time against guest instructions, exits and memory touched; each should grow linearly or slower."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import workloads
from benchmarks.test_event_cost import EXITS, seconds
from results.finished import Finished
from results.planned import Planned
from techniques import run_guest
from trapbench.harness import run_matrix
from trapbench.selection import Selection


def cell_seconds(technique: str, workload: str, size: str) -> tuple[float, int]:
    """Time and guest instructions of a cell."""
    found = workloads.find(workload)
    begin = time.perf_counter()
    outcome = run_guest(technique, found, size)
    assert outcome.status == "ok", outcome.reason
    return time.perf_counter() - begin, outcome.instructions


@pytest.mark.parametrize("technique", ["native", "hvm-ept", "bt"])
def test_time_by_guest_instructions(benchmark: BenchmarkFixture, technique: str) -> None:
    small, standard, large = (
        cell_seconds(technique, "compute/quicksort", size)
        for size in ("small", "standard", "large")
    )
    benchmark.pedantic(lambda: cell_seconds(technique, "compute/quicksort", "small"), rounds=1)
    slopes = [
        (b[0] - a[0]) / (b[1] - a[1]) * 1e9 for a, b in ((small, standard), (standard, large))
    ]
    benchmark.extra_info["nanoseconds per instruction"] = [round(s, 3) for s in slopes]
    text = " then ".join(f"{s:.2f}" for s in slopes)
    print(f"\n{technique}: {text} ns per guest instruction (linear or better)", end="")


def test_time_by_exits(benchmark: BenchmarkFixture) -> None:
    technique, body = EXITS["cpuid"]
    times = [seconds(body, count, technique) for count in (10_000, 20_000, 40_000)]
    benchmark.pedantic(lambda: seconds(body, 10_000, technique), rounds=1)
    first, second = (times[1] - times[0]) / 10_000, (times[2] - times[1]) / 20_000
    print(f"\nexits: {first * 1e6:.2f} then {second * 1e6:.2f} us each (linear or better)", end="")


def test_time_by_cells(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """A sweep of 2,000 cells on two cores, and its time per cell by quarters."""
    values = [str(n) for n in range(1, 1001)]
    selection = Selection(["native", "hvm-ept"], ["nano/in"], sweeps={"iterations": values})
    marks = []

    def watch(_missing: Sequence[Planned], finished: Iterator[Finished]) -> Iterator[Finished]:
        for number, cell in enumerate(finished, 1):
            if number % 500 == 0:
                marks.append(time.perf_counter())
            yield cell

    def run() -> None:
        marks.append(time.perf_counter())
        run_matrix(tmp_path / "a", selection, jobs=2, watch=watch)

    benchmark.pedantic(run, rounds=1)
    quarters = [(b - a) / 500 * 1e3 for a, b in pairwise(marks)]
    benchmark.extra_info["milliseconds per cell"] = [round(q, 1) for q in quarters]
    text = ", ".join(f"{q:.1f}" for q in quarters)
    print(f"\n2,000 cells: {text} ms each by quarters (linear or better)", end="")


def test_a_worker_does_not_grow(benchmark: BenchmarkFixture) -> None:
    def rounds(count: int) -> int:
        for _ in range(count):
            for technique in ("native", "hvm-shadow", "bt"):
                cell_seconds(technique, "kernel/fork-wait", "small")
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    first = rounds(10)
    second = rounds(40)
    benchmark.pedantic(lambda: rounds(1), rounds=1)
    benchmark.extra_info["MiB after 30 and 150 cells"] = [first >> 10, second >> 10]
    print(f"\nworker: {first >> 10} MiB after 30 cells, {second >> 10} MiB after 150", end="")
