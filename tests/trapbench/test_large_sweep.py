"""A sweep of thousands of cells streams into its folder: memory does not grow with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from results.finished import Finished
from results.planned import Planned
from results.run import Run
from trapbench.harness import run_matrix
from trapbench.selection import Selection
from trapbench.worker_pool import ENTRY


class Memory:
    """Watches a run, and the resident memory of this process and its workers, in MiB, at every hundredth cell."""

    def __init__(self) -> None:
        self.ours: list[int] = []
        self.workers: list[int] = []

    def __call__(
        self, _missing: Sequence[Planned], finished: Iterator[Finished]
    ) -> Iterator[Finished]:
        for number, cell in enumerate(finished, 1):
            if number % 100 == 0:
                self.ours.append(_mebibytes(Path("/proc/self")))
                self.workers.append(max(map(_mebibytes, _children())))
            yield cell


def _mebibytes(process: Path) -> int:
    """Of a child that has ended and was not waited for, which has no such line, nothing."""
    words = (process / "status").read_text().partition("VmRSS:")[2].split()
    return int(words[0]) >> 10 if words else 0


def _children() -> list[Path]:
    tasks = Path("/proc/self/task").glob("*/children")
    return [Path("/proc", pid) for task in tasks for pid in task.read_text().split()]


def sweep(folder: Path, cells: int, entry: str) -> Memory:
    """Run `cells` cells, each with its own number of iterations, in two processes."""
    values = [str(n) for n in range(1, cells // 2 + 1)]
    selection = Selection(["native", "hvm-ept"], ["nano/in"], sweeps={"iterations": values})
    memory = Memory()
    run_matrix(folder, selection, jobs=2, watch=memory, entry=entry)
    assert len(Run.load(folder).runs) == cells
    return memory


def test_the_memory_of_a_run_does_not_grow_with_its_cells(tmp_path: Path) -> None:
    memory = sweep(tmp_path / "a", 2_000, "misbehaving:instant")
    assert max(memory.ours[5:]) - memory.ours[4] < 16


@pytest.mark.soak
def test_two_thousand_cells_run_in_flat_memory(tmp_path: Path) -> None:
    memory = sweep(tmp_path / "a", 2_000, ENTRY)
    assert max(memory.ours[5:]) - memory.ours[4] < 16
    assert max(memory.workers[5:]) - memory.workers[4] < 64
