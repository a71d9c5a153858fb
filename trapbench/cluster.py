"""Cells on a Dask cluster. Counters are the same to the bit wherever a cell runs.

Each thread of a Dask worker keeps a process of its own for cells, as a local run does: so a cell that crashes or hangs
costs itself and not the worker, which could not end a thread.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from results.errors import ResultsError
from results.finished import FAILED, Finished
from results.planned import Planned
from trapbench.content_key import source_digest
from trapbench.worker_pool import Lost, Worker

LOCAL = "local"
#: Cells that are on their way or waiting at a worker, per thread of the cluster.
_AHEAD = 4
_CONNECT = 20.0


class Cluster:
    """Runs cells on the cluster of the scheduler at `address`; `local` starts one of `jobs` processes.

    A Dask worker that dies costs time: its cells go to another one. A cell is lost that crashes,
    that runs longer than `timeout` seconds of wall-clock time, or that takes several workers with it.
    `entry` is as for `WorkerPool`.
    """

    def __init__(self, address: str, jobs: int, timeout: float, entry: str) -> None:
        self._address = address
        self._jobs = jobs
        self._timeout = timeout
        self._entry = entry

    def run(self, tasks: Sequence[Planned]) -> Iterator[tuple[int, Any]]:
        """Yield (index of the task, its result or Lost) in order of completion.

        Raises ResultsError when the scheduler cannot be reached.
        """
        if not tasks:
            return
        with contextlib.ExitStack() as stack:
            client = self._client(stack)
            yield from self._results(client, tasks)

    def _client(self, stack: contextlib.ExitStack) -> Any:
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            raise ResultsError(
                "--scheduler needs Dask; install trapbench with the extra `cluster`"
            ) from None
        if self._address == LOCAL:
            cluster = LocalCluster(
                n_workers=self._jobs, threads_per_worker=1, dashboard_address=None, silence_logs=50
            )
            return stack.enter_context(Client(stack.enter_context(cluster)))
        try:
            return stack.enter_context(Client(self._address, timeout=_CONNECT))
        except (OSError, ValueError) as error:
            raise ResultsError(f"no Dask scheduler answers at {self._address} ({error})") from error

    def _results(self, client: Any, tasks: Sequence[Planned]) -> Iterator[tuple[int, Any]]:
        """Keep a window of cells on the cluster, so that thousands of them need no more memory."""
        from distributed import as_completed

        waiting = iter(enumerate(tasks))
        threads = sum(client.nthreads().values()) or 1
        indices: dict[Any, int] = {}

        def submit(count: int) -> list[Any]:
            made = []
            for index, task in islice(waiting, count):
                future = client.submit(
                    run_here,
                    task,
                    source_digest(),
                    self._timeout,
                    self._entry,
                    pure=False,
                    key=_key(task),
                )
                indices[future] = index
                made.append(future)
            return made

        running = as_completed(submit(threads * _AHEAD))
        for future in running:
            index = indices.pop(future)
            yield index, _result(future)
            future.release()
            running.update(submit(1))


def _key(task: Planned) -> str:
    return f"{task.cell.technique}-{task.cell.slug}-{task.key[:8]}"


def _result(future: Any) -> Any:
    error = future.exception()
    if error is None:
        return future.result()
    return Lost(f"the cluster lost it: {' '.join(str(error).split())}")


_OF_THREAD = threading.local()


def run_here(planned: Planned, source: str, timeout: float, entry: str) -> Finished | Lost:
    """Run a cell on a Dask worker, provided that it has the same trapbench as the caller."""
    if source_digest() != source:
        reason = "the worker that it was sent to has another version of trapbench"
        return Finished(planned.cell, planned.key, FAILED, reason)
    worker = getattr(_OF_THREAD, "worker", None) or Worker(entry)
    result: Finished | Lost = worker.perform(planned, timeout)
    _OF_THREAD.worker = None if isinstance(result, Lost) else worker
    return result
