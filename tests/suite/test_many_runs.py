"""Many guest-mode runs in a row, in one process and in a pool: no crash, no difference.

A wrong address of the engine's CPU object once killed one run in ten: 99 runs would all survive it once in 30,000 times.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from itertools import cycle, islice

import pytest

import techniques
import workloads
from tests.proofs.figures import counted

RUNS = [99, pytest.param(500, marks=pytest.mark.soak)]
MIX = (
    ("hvm-ept", "exit/cpuid", ""),
    ("hvm-shadow", "nano/pgfault", "trace"),
    ("native", "kernel/signal", ""),
    ("hvm-shadow", "kernel/fork-wait", "unsync"),
    ("hvm-ept", "exit/hlt-timer", ""),
    ("hvm-shadow", "nano/ptemod-np-to-p", "virtual-tlb"),
    ("native", "sensitive/probe", ""),
    ("hvm-ept", "kernel/protection-fault", ""),
    ("hvm-shadow", "exit/mov-cr3", "trace"),
)


def outcome(cell: tuple[str, str, str]) -> tuple[str, str, tuple[tuple[str, int], ...]]:
    """Status, digest and all counters of one run."""
    technique, workload, policy = cell
    knobs = {"shadow.policy": policy} if policy else {}
    result = techniques.run_guest(technique, workloads.find(workload), "small", knobs=knobs)
    return result.status, result.digest, tuple(sorted(result.counters_total.items()))


def cells(runs: int) -> list[tuple[str, str, str]]:
    """The mix, over and over."""
    return list(islice(cycle(MIX), runs))


def check(
    given: list[tuple[str, str, str]],
    outcomes: list[tuple[str, str, tuple[tuple[str, int], ...]]],
) -> None:
    """Every run of a cell came to the same."""
    counted("guest-mode runs in a row", len(outcomes))
    assert {status for status, _, _ in outcomes} == {"ok"}
    assert len(set(zip(given, outcomes, strict=True))) == len(MIX)


@pytest.mark.parametrize("runs", RUNS)
def test_many_runs_in_one_process_agree(runs: int) -> None:
    given = cells(runs)
    check(given, [outcome(cell) for cell in given])


@pytest.mark.parametrize("runs", RUNS)
def test_many_runs_in_a_pool_agree(runs: int) -> None:
    given, context = cells(runs), multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        check(given, list(pool.map(outcome, given, chunksize=5)))
