"""Host seconds of the matrix's cells, with what they counted and what that costs on every preset."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import techniques
import workloads
from hardware_model import presets
from trapbench.pytest_plugin import Bench, Measured

_CELLS = [
    (technique, workload.name) for workload in workloads.all() for technique in techniques.names()
]
_SHOWN = ("instructions", "exits", "traps", "bt.callout", "hypercall.entries", "walk.reference")


@pytest.mark.parametrize(("technique", "workload"), _CELLS, ids=["-".join(cell) for cell in _CELLS])
def test_cell(benchmark: BenchmarkFixture, technique: str, workload: str) -> None:
    expected = workloads.find(workload).expect.get(technique, "ok")
    if expected != "ok":
        pytest.skip(f"is expected to be {expected}")
    bench = Bench()
    cell: Measured = benchmark.pedantic(lambda: bench.run(technique, workload), rounds=1)
    benchmark.extra_info["counters"] = {name: cell[name] for name in _SHOWN}
    usable = [name for name in presets.names() if _priced(cell, name)]
    benchmark.extra_info["cycles"] = {name: round(cell.cycles(name)) for name in usable}


def _priced(cell: Measured, preset: str) -> bool:
    """Whether the preset has every cost that the cell needs."""
    from results.applicability import inapplicable

    return not inapplicable(cell.counters, presets.load(preset))
