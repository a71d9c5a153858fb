"""Running a matrix: what is run, what is not run again, and what a crash or a kill costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from results.errors import ResultsError
from results.finished import Finished
from results.planned import Planned
from results.run import Run
from trapbench.harness import run_matrix
from trapbench.selection import Selection
from trapbench.worker_pool import ENTRY

#: Stands in for the machine where a test is about the harness alone.
SLOW = "misbehaving:slow"
CRASHING = "misbehaving:crash_at_sha_256"
COMPUTE = Selection(techniques=["native", "hvm-ept"], workloads=["compute"])


class Watch:
    """Remembers which cells were run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def __call__(
        self, _missing: Sequence[Planned], finished: Iterator[Finished]
    ) -> Iterator[Finished]:
        for cell in finished:
            self.ran.append(f"{cell.cell.technique} {cell.cell.workload}")
            yield cell


def _run(path: Path, selection: Selection | None, entry: str, *, resume: bool = False) -> list[str]:
    watch = Watch()
    run_matrix(path, selection, jobs=2, resume=resume, watch=watch, entry=entry)
    return watch.ran


def test_a_crashed_cell_fails_with_a_sentence_and_the_others_finish(tmp_path: Path) -> None:
    selection = Selection(techniques=["native", "hvm-ept"], workloads=["compute"])
    _run(tmp_path / "a", selection, CRASHING)
    runs = Run.load(tmp_path / "a").runs.set_index(["workload", "technique"])
    native = runs.loc[("compute/sha-256", "native")]
    assert native["status"] == "failed"
    assert native["reason"] == "the worker process was killed by SIGSEGV"
    others = runs.drop("compute/sha-256", level="workload")
    assert set(others["status"]) == {"ok"}


def test_native_is_run_as_an_auxiliary_when_it_is_not_selected(tmp_path: Path) -> None:
    selection = Selection(techniques=["hvm-ept"], workloads=["compute/sieve"])
    _run(tmp_path / "a", selection, SLOW)
    runs = Run.load(tmp_path / "a").runs
    assert dict(zip(runs["technique"], runs["auxiliary"], strict=True)) == {
        "hvm-ept": False,
        "native": True,
    }


def test_a_finished_folder_is_not_run_again(tmp_path: Path) -> None:
    first = _run(tmp_path / "a", COMPUTE, SLOW)
    assert len(first) > 2
    assert _run(tmp_path / "a", None, SLOW, resume=True) == []


def test_resume_runs_only_what_is_missing(tmp_path: Path) -> None:
    _run(tmp_path / "a", COMPUTE, SLOW)
    before = Run.load(tmp_path / "a")
    lost = sorted((tmp_path / "a" / "cells").glob("*.json"))[0]
    cell = json.loads(lost.read_text())["cell"]
    lost.unlink()
    ran = _run(tmp_path / "a", None, SLOW, resume=True)
    assert ran == [f"{cell['technique']} {cell['workload']}"]
    pd.testing.assert_frame_equal(Run.load(tmp_path / "a").counters, before.counters)


def test_resume_runs_a_cell_again_whose_file_is_broken(tmp_path: Path) -> None:
    _run(tmp_path / "a", COMPUTE, SLOW)
    sorted((tmp_path / "a" / "cells").glob("*.json"))[0].write_text('{"cell": ')
    assert len(_run(tmp_path / "a", None, SLOW, resume=True)) == 1


def test_resume_runs_a_cell_again_whose_inputs_changed(tmp_path: Path) -> None:
    _run(tmp_path / "a", COMPUTE, SLOW)
    path = sorted((tmp_path / "a" / "cells").glob("*.json"))[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), "key": "of older sources"}))
    assert len(_run(tmp_path / "a", None, SLOW, resume=True)) == 1


def test_resume_with_a_selection_extends_the_folder(tmp_path: Path) -> None:
    _run(tmp_path / "a", Selection(["native"], ["compute/sieve"]), SLOW)
    ran = _run(tmp_path / "a", Selection(["hvm-ept"], ["compute/sieve"]), SLOW, resume=True)
    assert ran == ["hvm-ept compute/sieve"]
    runs = Run.load(tmp_path / "a").runs
    assert runs["auxiliary"].tolist() == [False, False]


def test_a_folder_with_results_needs_resume(tmp_path: Path) -> None:
    _run(tmp_path / "a", Selection(["native"], ["compute/sieve"]), SLOW)
    with pytest.raises(ResultsError, match="holds results; add --resume"):
        _run(tmp_path / "a", COMPUTE, SLOW)


def test_a_kill_loses_no_finished_cell(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    killed = _start(folder, Selection(["native", "hvm-ept"], ["compute"]))
    stored = _kill_after(killed, folder, cells=3)
    with pytest.raises(ResultsError, match="unfinished"):
        Run.load(folder)
    ran = _run(folder, None, ENTRY, resume=True)
    finished_before = {_name(path) for path in stored}
    assert not finished_before & set(ran)
    undisturbed = tmp_path / "b"
    _run(undisturbed, Selection(["native", "hvm-ept"], ["compute"]), ENTRY)
    assert len(ran) + len(stored) == len(Run.load(undisturbed).runs)
    left, right = Run.load(folder), Run.load(undisturbed)
    pd.testing.assert_frame_equal(left.counters, right.counters)
    pd.testing.assert_frame_equal(
        left.runs.drop(columns="host_seconds"), right.runs.drop(columns="host_seconds")
    )


def _start(folder: Path, selection: Selection) -> subprocess.Popen[bytes]:
    program = (
        "from pathlib import Path\n"
        "from trapbench.harness import run_matrix\n"
        "from trapbench.selection import Selection\n"
        f"selection = Selection({selection.techniques!r}, {selection.workloads!r})\n"
        f"run_matrix(Path({str(folder)!r}), selection, jobs=1)\n"
    )
    return subprocess.Popen([sys.executable, "-c", program])


def _kill_after(process: subprocess.Popen[bytes], folder: Path, cells: int) -> list[Path]:
    """Kill the run as soon as it has stored that many cells; return the files it left."""
    deadline = time.monotonic() + 60
    while len(list(folder.glob("cells/*.json"))) < cells:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return sorted(folder.glob("cells/*.json"))


def _name(path: Path) -> str:
    cell = json.loads(path.read_text())["cell"]
    return f"{cell['technique']} {cell['workload']}"
