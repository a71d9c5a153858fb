"""Cells on a Dask cluster: the same counters, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from results import difference, reader
from results.errors import ResultsError
from results.finished import Finished
from results.planned import Planned
from results.run import Run
from trapbench import cluster
from trapbench.harness import run_matrix
from trapbench.selection import Selection

distributed = pytest.importorskip("distributed")
SOME = Selection(techniques=["native", "hvm-ept", "bt"], workloads=["nano"])


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
    assert cluster.run_here(planned, "other").reason.endswith("has another version of trapbench")
