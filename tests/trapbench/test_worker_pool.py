"""A crash or a hang of a worker costs one task."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trapbench.worker_pool import Lost, WorkerPool

ENTRY = "misbehaving:perform"


def _results(tasks: list[str], jobs: int = 2, timeout: float = 30.0) -> list[Any]:
    done = dict(WorkerPool(ENTRY, jobs, timeout).run(tasks))
    return [done[index] for index in range(len(tasks))]


def test_every_task_has_its_result() -> None:
    tasks = [f"task {number}" for number in range(20)]
    assert _results(tasks) == tasks


def test_no_tasks_need_no_worker() -> None:
    assert _results([]) == []


def test_a_worker_serves_many_tasks() -> None:
    assert len(set(_results(["pid"] * 8, jobs=1))) == 1


def test_a_worker_prepares_once_before_its_first_task() -> None:
    assert _results(["prepared"] * 3, jobs=1) == ["prepared once"] * 3


def test_the_next_task_runs_while_a_result_is_looked_at(tmp_path: Path) -> None:
    results = WorkerPool(ENTRY, 1, 30.0).run(["first", f"touch {tmp_path / 'second'}"])
    next(results)
    deadline = time.monotonic() + 30
    while not (tmp_path / "second").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(list(results)) == 1


def test_what_a_task_leaves_behind_does_not_pile_up() -> None:
    pool = WorkerPool(ENTRY, 1, 30.0)
    resident, process = [], "0"
    for _, result in pool.run(["pid", *["litter 8"] * 40]):
        process = result if result.isdigit() else process
        resident.append(_mebibytes(int(process)))
    assert max(resident) - resident[0] < 60


def _mebibytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) >> 10


def test_jobs_is_the_number_of_processes() -> None:
    assert len(set(_results(["sleep 0.2", "sleep 0.2", *["pid"] * 6], jobs=2)[2:])) <= 2


def test_a_crash_costs_one_task_and_names_the_signal() -> None:
    results = _results(["one", "signal SIGSEGV", "two", "three"])
    lost = Lost("the worker process was killed by SIGSEGV")
    assert results == ["one", lost, "two", "three"]


def test_a_killed_worker_may_have_been_out_of_memory() -> None:
    assert "out of memory?" in _results(["signal SIGKILL"])[0].reason


def test_a_worker_that_exits_is_quoted() -> None:
    expected = Lost("the worker process ended with status 3: worker says: giving up")
    assert _results(["exit 3", "on"], jobs=1) == [expected, "on"]


def test_a_hang_is_ended_by_the_clock_and_the_others_go_on() -> None:
    results = _results(["sleep 60", "one", "two"], timeout=1.0)
    limit = Lost("it took longer than the limit of 1 s of wall-clock time")
    assert results == [limit, "one", "two"]


def test_a_worker_that_cannot_start_says_why() -> None:
    done = dict(WorkerPool("no_such_module:f", 1, 30.0).run(["a", "b"]))
    assert [result.reason for result in done.values()] == [
        "the worker process ended with status 1: "
        "ModuleNotFoundError: No module named 'no_such_module'"
    ] * 2


def test_abandoning_the_results_ends_the_workers() -> None:
    running = WorkerPool(ENTRY, 2, 30.0).run(["pid", "pid", "sleep 60"])
    _, pid = next(running)
    running.close()  # type: ignore[attr-defined]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)


def test_workers_die_with_a_killed_parent() -> None:
    program = (
        "from trapbench.worker_pool import WorkerPool\n"
        f"pool = WorkerPool({ENTRY!r}, 1, 99.0)\n"
        "for _, pid in pool.run(['pid', 'sleep 60']):\n"
        "    print(pid, flush=True)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    assert _gone(pid, 5.0)


def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":  # nobody has collected it yet
            return True
        time.sleep(0.02)
    return False
