"""Cells on a Dask cluster: the same counters, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import distributed
import pytest

from results import difference, reader
from results.errors import ResultsError
from results.finished import Finished
from results.planned import Planned
from results.run import Run
from trapbench import cluster
from trapbench.harness import run_matrix
from trapbench.selection import Selection
from trapbench.worker_pool import ENTRY

SOME = Selection(
    techniques=["native", "hvm-ept", "bt"],
    workloads=["nano/in", "nano/divzero", "nano/callret", "nano/cr8wr"],
)


@pytest.fixture
def two_workers() -> Iterator[distributed.LocalCluster]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as started:
        yield started


def test_a_killed_worker_costs_nothing_and_counters_are_those_of_a_local_run(
    tmp_path: Path, two_workers: distributed.LocalCluster
) -> None:
    victims = [worker.pid for worker in two_workers.workers.values()]

    def kill_one(missing: Sequence[Planned], finished: Iterator[Finished]) -> Iterator[Finished]:
        for number, cell in enumerate(finished):
            if number == 2:
                os.kill(victims[0], signal.SIGKILL)
            yield cell

    address = two_workers.scheduler_address
    run_matrix(tmp_path / "far", SOME, scheduler=address, watch=kill_one)
    run_matrix(tmp_path / "near", SOME, jobs=2)
    assert difference.difference(*(reader.read(tmp_path / n) for n in ("far", "near"))).empty
    assert Run.load(tmp_path / "far").unexpected().empty


def test_a_cluster_can_be_started_for_a_run(tmp_path: Path) -> None:
    few = Selection(techniques=["native"], workloads=["nano/in"])
    run_matrix(tmp_path / "a", few, scheduler=cluster.LOCAL, jobs=1)
    assert Run.load(tmp_path / "a").runs["status"].tolist() == ["ok"]


def test_a_scheduler_that_does_not_answer_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_CONNECT", 0.5)
    with pytest.raises(ResultsError, match="no Dask scheduler answers at tcp"):
        run_matrix(tmp_path / "a", SOME, scheduler="tcp://127.0.0.1:1")


def test_a_worker_with_other_sources_does_not_count(tmp_path: Path) -> None:
    from trapbench import planning

    planned = planning.plan(Selection(techniques=["native"], workloads=["nano/in"]))[0]
    finished = cluster.run_here(planned, "other", 1.0, ENTRY)
    assert finished.reason.endswith("has another version of trapbench")


def test_a_cell_that_hangs_and_one_that_crashes_fail_and_the_others_go_on(
    tmp_path: Path, two_workers: distributed.LocalCluster
) -> None:
    selection = Selection(["native"], ["compute/sieve", "compute/sha-256", "compute/quicksort"])
    address = two_workers.scheduler_address
    trouble = "misbehaving:hang_at_sieve_crash_at_sha_256"
    run_matrix(tmp_path / "a", selection, scheduler=address, timeout=2.0, entry=trouble)
    runs = Run.load(tmp_path / "a").runs.set_index("workload")
    assert runs["status"].to_dict() == {
        "compute/sieve": "failed",
        "compute/sha-256": "failed",
        "compute/quicksort": "ok",
    }
    limit = "it took longer than the limit of 2 s of wall-clock time"
    assert runs.loc["compute/sieve", "reason"] == limit
    assert runs.loc["compute/sha-256", "reason"] == "the worker process was killed by SIGSEGV"
