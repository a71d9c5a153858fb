"""A pool of worker processes in which a crash or a hang costs one task, never the run."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from typing import IO, Any

#: Runs one planned cell in a worker process.
ENTRY = "trapbench.execution:execute"


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose worker was lost, and one sentence why."""

    reason: str


def late(timeout: float) -> Lost:
    """What becomes of a task that takes longer than `timeout` seconds."""
    return Lost(f"it took longer than the limit of {timeout:g} s of wall-clock time")


class Worker:
    """One process with at most one task in flight; it loads `entry` (`module:function`) at once."""

    def __init__(self, entry: str) -> None:
        ours, theirs = connection.Pipe()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the worker)
        descriptor = theirs.fileno()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trapbench.worker", entry, str(descriptor), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[descriptor],
        )
        theirs.close()
        self.connection = ours
        self.index = -1
        self.deadline = 0.0

    def assign(self, index: int, task: object, timeout: float) -> None:
        self.index = index
        self.deadline = time.monotonic() + timeout
        with contextlib.suppress(OSError):  # already dead: receiving will say why
            self.connection.send(task)

    def receive(self) -> Any:
        """The task's result, or Lost when the worker died instead of sending one."""
        try:
            return self.connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError):
            return Lost(self._cause_of_death())

    def perform(self, task: object, timeout: float) -> Any:
        """Run one task to its end; Lost, and the process gone, when it died or took too long."""
        self.assign(0, task, timeout)
        result = self.receive() if self.connection.poll(timeout) else late(timeout)
        if isinstance(result, Lost):
            self.kill()
        return result

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self.connection.close()
        self._log.close()

    def _cause_of_death(self) -> str:
        status = self._process.wait()
        if status < 0:
            name = signal.Signals(-status).name
            hint = " (out of memory?)" if -status == signal.SIGKILL else ""
            return f"the worker process was killed by {name}{hint}"
        return f"the worker process ended with status {status}: {self._last_line()}"

    def _last_line(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class WorkerPool:
    """Runs `entry` (`module:function`) over tasks in `jobs` processes.

    A task that takes longer than `timeout` seconds of wall-clock time is lost, as is one whose
    worker dies; its worker is replaced and the others go on. `first` is a worker that was started
    earlier, to load while the tasks were made out.
    """

    def __init__(self, entry: str, jobs: int, timeout: float, first: Worker | None = None) -> None:
        self._entry = entry
        self._jobs = jobs
        self._timeout = timeout
        self._idle: list[Worker] = [first] if first else []
        self._busy: list[Worker] = []

    def run(self, tasks: Sequence[object]) -> Iterator[tuple[int, Any]]:
        """Yield (index of the task, its result or Lost) in order of completion."""
        waiting = deque(enumerate(tasks))
        try:
            self._occupy(waiting)
            while self._busy:
                ended = self._collect()
                self._occupy(
                    waiting
                )  # first, so that no worker waits for what is done with results
                yield from ended
        finally:
            for worker in self._busy + self._idle:
                worker.kill()
            self._busy, self._idle = [], []

    def _occupy(self, waiting: deque[tuple[int, object]]) -> None:
        while waiting and len(self._busy) < self._jobs:
            self._assign(*waiting.popleft())

    def _assign(self, index: int, task: object) -> None:
        worker = self._idle.pop() if self._idle else Worker(self._entry)
        worker.assign(index, task, self._timeout)
        self._busy.append(worker)

    def _collect(self) -> list[tuple[int, Any]]:
        """Wait for at least one task to end, by itself or by its deadline."""
        by_connection: dict[Any, Worker] = {worker.connection: worker for worker in self._busy}
        patience = min(worker.deadline for worker in self._busy) - time.monotonic()
        ready = connection.wait(list(by_connection), max(patience, 0))
        ended = [self._retire(by_connection[c], by_connection[c].receive()) for c in ready]
        now = time.monotonic()
        overdue = [worker for worker in self._busy if worker.deadline <= now]
        return ended + [self._retire(worker, late(self._timeout)) for worker in overdue]

    def _retire(self, worker: Worker, result: Any) -> tuple[int, Any]:
        self._busy.remove(worker)
        if isinstance(result, Lost):
            worker.kill()
        else:
            self._idle.append(worker)
        return worker.index, result
