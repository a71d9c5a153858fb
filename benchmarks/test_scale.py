"""Scale: host time against guest instructions, exits, memory size, cells and workers. Each should grow linearly or
slower; the fitted exponents are printed and the curves drawn. And the memory of a process that runs many cells.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import techniques
import workloads
from benchmarks.bars import Board
from benchmarks.growth import Curve, Growth, processor_seconds
from techniques import Outcome, run_guest
from trapbench.harness import run_matrix
from trapbench.selection import Selection

INSTRUCTIONS = (1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24)
EXITS = (1 << 9, 1 << 11, 1 << 13, 1 << 15)
MEBIBYTES = (16, 64, 256, 1024, 4096)
CELLS = (50, 100, 200, 400)


@dataclass(frozen=True, slots=True)
class Event:
    """What makes a technique's VMM step in: a workload of so many `iterations` and the counter that shows it."""

    technique: str
    workload: str
    counter: str


STEPPING_IN = (
    Event("trap-and-emulate", "nano/in", "traps"),
    Event("bt", "exit/wrmsr", "bt.callout"),
    Event("pv", "exit/mov-cr3", "hypercall.entries"),
    Event("hvm-shadow", "exit/cpuid", "exits"),
    Event("hvm-ept", "exit/cpuid", "exits"),
)


def cell(technique: str, workload: str, size: str, mebibytes: int | None = None) -> Outcome:
    """Run one cell, in memory of another size than its own if need be."""
    found = workloads.find(workload)
    outcome = run_guest(technique, replace(found, ram_mib=mebibytes) if mebibytes else found, size)
    assert outcome.status == "ok", outcome.reason
    return outcome


def report(
    benchmark: BenchmarkFixture, board: Board, growth: Growth, curve: Curve, unit: str
) -> None:
    """Keep a curve and print its points and exponent."""
    growth.curves.append(curve)
    benchmark.extra_info.update(sizes=curve.sizes, seconds=curve.seconds)
    points = ", ".join(
        f"{size:,.0f}: {taken:.3f}" for size, taken in zip(curve.sizes, curve.seconds, strict=True)
    )
    print(f"\n{curve.label}, seconds by {curve.axis}: {points}; {curve.each * 1e9:,.1f} ns {unit}")
    print(board.measured("growth", curve.exponent, f"{curve.label} by {curve.axis}"), end="")


@pytest.mark.parametrize("technique", techniques.names())
def test_time_by_guest_instructions(
    benchmark: BenchmarkFixture, board: Board, growth: Growth, technique: str
) -> None:
    chosen = [f"small,iterations={iterations}" for iterations in INSTRUCTIONS]
    sizes = tuple(cell(technique, "nano/callret", size).instructions for size in chosen)
    seconds = processor_seconds([partial(cell, technique, "nano/callret", s) for s in chosen])
    curve = Curve("guest instructions", technique, sizes, seconds)
    benchmark.pedantic(lambda: cell(technique, "nano/callret", "small"), rounds=1)
    report(benchmark, board, growth, curve, "an instruction")


@pytest.mark.parametrize("event", STEPPING_IN, ids=lambda event: event.technique)
def test_time_by_exits(
    benchmark: BenchmarkFixture, board: Board, growth: Growth, event: Event
) -> None:
    chosen = [f"small,iterations={iterations}" for iterations in EXITS]
    runs = [partial(cell, event.technique, event.workload, size) for size in chosen]
    sizes = tuple(run().counters_total[event.counter] for run in runs)
    assert all(counted >= wanted for counted, wanted in zip(sizes, EXITS, strict=True))
    curve = Curve("entries into the VMM", event.technique, sizes, processor_seconds(runs))
    benchmark.pedantic(lambda: cell(event.technique, event.workload, "small"), rounds=1)
    report(benchmark, board, growth, curve, "each")


@pytest.mark.parametrize("technique", techniques.names())
def test_time_by_memory_size(
    benchmark: BenchmarkFixture, board: Board, growth: Growth, technique: str
) -> None:
    """Memory is sparse: a cell costs what its guest touches, which is a map of its frames and what the program uses."""
    seconds = processor_seconds(
        [partial(cell, technique, "kernel/fork-wait", "small", size) for size in MEBIBYTES]
    )
    benchmark.pedantic(lambda: cell(technique, "kernel/fork-wait", "small"), rounds=1)
    report(
        benchmark,
        board,
        growth,
        Curve("MiB of guest memory", technique, MEBIBYTES, tuple(seconds)),
        "a MiB",
    )


def sweep_seconds(folder: Path, cells: int, jobs: int, iterations: int = 1) -> float:
    """A sweep of so many cells of nano/in under hvm-ept, none from the cache."""
    values = [str(iterations + n) for n in range(cells)]
    selection = Selection(["hvm-ept"], ["nano/in"], sweeps={"iterations": values})
    begin = time.perf_counter()
    run_matrix(folder, selection, jobs=jobs)
    return time.perf_counter() - begin


def processors_spent() -> float:
    """Processor seconds of this process and of its workers that have ended."""
    return sum(os.times()[:4])


def test_time_by_cells(
    benchmark: BenchmarkFixture, board: Board, growth: Growth, tmp_path: Path
) -> None:
    """Processor time of the whole run: planning, workers and their start, cells, tables."""
    seconds = []
    for cells in CELLS:
        begin = processors_spent()
        sweep_seconds(tmp_path / str(cells), cells, 2)
        seconds.append(processors_spent() - begin)
    benchmark.pedantic(lambda: sweep_seconds(tmp_path / "again", CELLS[0], 2), rounds=1)
    report(
        benchmark,
        board,
        growth,
        Curve("cells, two workers", "hvm-ept", CELLS, tuple(seconds)),
        "each",
    )


def test_time_by_workers(
    benchmark: BenchmarkFixture, board: Board, growth: Growth, tmp_path: Path
) -> None:
    """The same sweep by ever more workers, as many as the host has processors: cells a second."""
    counts = [1, 2, *(n for n in (4, 8, 16) if n <= (os.cpu_count() or 1))]
    seconds = [sweep_seconds(tmp_path / str(n), 100, n, 10_000) for n in counts]
    benchmark.pedantic(lambda: sweep_seconds(tmp_path / "again", 20, 2), rounds=1)
    growth.curves.append(Curve("workers", "hvm-ept", tuple(counts), tuple(seconds)))
    rates = [seconds[0] / taken for taken in seconds]
    benchmark.extra_info["speed-up"] = {n: round(r, 2) for n, r in zip(counts, rates, strict=True)}
    text = ", ".join(f"{n}: {rate:.2f}" for n, rate in zip(counts, rates, strict=True))
    print(f"\nspeed of a sweep by workers, one being 1: {text}")
    print(board.measured("two workers", rates[1], "sweep"), end="")


#: What a worker runs; the memory is the most it ever held, so it runs in a process of its own.
WORKER = """
import resource
import workloads
from techniques import run_guest

def peak(rounds):
    for _ in range(rounds):
        for technique in ("native", "hvm-shadow", "bt"):
            run_guest(technique, workloads.find("kernel/fork-wait"), "small")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10

print(peak(10), peak(40))
"""


def test_a_worker_does_not_grow(benchmark: BenchmarkFixture, board: Board) -> None:
    def peaks() -> str:
        return subprocess.run(
            [sys.executable, "-c", WORKER], capture_output=True, text=True, check=True
        ).stdout

    first, second = map(int, benchmark.pedantic(peaks, rounds=1).split())
    benchmark.extra_info["MiB after 30 and 150 cells"] = [first, second]
    print(f"\nworker: {first} MiB after 30 cells, {second} MiB after 150")
    print(board.measured("worker", second / first, "after 150 cells"), end="")
