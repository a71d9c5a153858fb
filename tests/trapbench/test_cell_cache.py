"""A cell that was run before is not run again, in whichever folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from results.finished import Finished
from results.planned import Planned
from results.run import Run
from trapbench.cell_cache import CellCache
from trapbench.harness import run_matrix
from trapbench.selection import Selection

SLOW = "misbehaving:slow"
CRASHING = "misbehaving:crash_at_sha_256"
SOME = Selection(techniques=["native", "hvm-ept"], workloads=["compute/sieve", "compute/sha-256"])


@pytest.fixture
def cache(tmp_path: Path) -> CellCache:
    return CellCache(tmp_path / "cache")


def _run(path: Path, cache: CellCache, entry: str = SLOW, selection: Selection = SOME) -> list[str]:
    started: list[str] = []

    def watch(missing: Sequence[Planned], finished: Iterator[Finished]) -> Iterator[Finished]:
        before = cache.found
        for cell in finished:
            if cache.found == before:
                started.append(cell.cell.workload)
            before = cache.found
            yield cell

    run_matrix(path, selection, jobs=2, entry=entry, cache=cache, watch=watch)
    return started


def test_the_second_folder_takes_everything_from_the_cache(
    tmp_path: Path, cache: CellCache
) -> None:
    assert len(_run(tmp_path / "a", cache)) == 4
    assert _run(tmp_path / "b", cache) == []
    left, right = Run.load(tmp_path / "a"), Run.load(tmp_path / "b")
    assert left.runs.equals(right.runs) and left.counters.equals(right.counters)


def test_a_cell_under_other_conditions_is_run(tmp_path: Path, cache: CellCache) -> None:
    _run(tmp_path / "a", cache)
    assert len(_run(tmp_path / "b", cache, selection=replace(SOME, budget=10**9))) == 4


def test_a_cell_that_failed_is_run_again(tmp_path: Path, cache: CellCache) -> None:
    _run(tmp_path / "a", cache, CRASHING)
    assert set(_run(tmp_path / "b", cache)) == {"compute/sha-256"}


def test_a_broken_entry_is_run_again(tmp_path: Path, cache: CellCache) -> None:
    _run(tmp_path / "a", cache)
    broken = next((tmp_path / "cache").glob("*/*.json"))
    broken.write_text('{"cell": 3}')
    assert len(_run(tmp_path / "b", cache)) == 1


def test_the_cells_unused_for_longest_go(tmp_path: Path) -> None:
    cache = CellCache(tmp_path / "cache", limit=3)
    _run(tmp_path / "a", cache)
    assert len(list((tmp_path / "cache").glob("*/*.json"))) == 3


def test_the_user_can_turn_it_off_or_move_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRAPBENCH_CACHE", "off")
    assert CellCache.of_user() is None
    monkeypatch.setenv("TRAPBENCH_CACHE", str(tmp_path / "mine"))
    moved = CellCache.of_user()
    assert moved is not None
    _run(tmp_path / "a", moved)
    assert len(list((tmp_path / "mine").glob("*/*.json"))) == 4
