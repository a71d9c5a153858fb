"""Finished cells and folders made of them, as the store sees them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from results.cell import Cell
from results.finished import Finished, HotExit
from results.folder import ResultFolder
from results.manifest import Manifest
from results.planned import Planned

FillFolder = Callable[[str, Sequence[Finished]], Path]


@pytest.fixture
def native() -> Finished:
    return Finished(
        cell=Cell("nano/syscall", "small", "emulated", "nehalem", "native"),
        key="k1",
        status="ok",
        digest="d1",
        guest_status=0,
        outcome={"memory": "m1", "registers": "r1"},
        counters={"roi": {"instructions": 1000}, "total": {"instructions": 2**64 - 1}},
        instructions=1000,
        host_seconds=0.5,
        console="hello",
    )


@pytest.fixture
def ept(native: Finished) -> Finished:
    return Finished(
        cell=Cell("nano/syscall", "small", "emulated", "nehalem", "hvm-ept"),
        key="k2",
        status="ok",
        digest="d1",
        guest_status=0,
        outcome=native.outcome,
        counters={"roi": {"instructions": 1000, "exits": 7}, "total": {"exits": 9}},
        instructions=1000,
        hot_exits=(HotExit("cpuid", 0xFFFFFFFF80100000, "probe+4", 7),),
    )


@pytest.fixture
def fill_folder(tmp_path: Path) -> FillFolder:
    """Makes a complete result folder of a name from finished cells."""

    def fill(name: str, cells: Sequence[Finished]) -> Path:
        plan = Manifest(plan=tuple(Planned(c.cell, c.key, c.cell.workload) for c in cells))
        with ResultFolder.locked(tmp_path / name) as folder:
            folder.begin(plan)
            for cell in cells:
                folder.store(cell)
            folder.complete(plan)
        return tmp_path / name

    return fill
