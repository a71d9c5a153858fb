"""Host seconds of cells, one workload of each family under every technique, with what they counted and what that costs
on every preset. `test_start_up` runs the whole matrix, whose table `runs` has the host seconds of all its cells.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import techniques
import workloads
from hardware_model import presets
from results.applicability import inapplicable
from trapbench.pytest_plugin import Bench, Measured

_FIRST_OF_FAMILY = {workload.family: workload.name for workload in reversed(workloads.all())}
_CELLS = [(t, name) for name in sorted(_FIRST_OF_FAMILY.values()) for t in techniques.names()]
_PRESETS = {name: presets.load(name) for name in presets.names()}
_SHOWN = ("instructions", "exits", "traps", "bt.callout", "hypercall.entries", "walk.reference")


@pytest.mark.parametrize(("technique", "workload"), _CELLS, ids=["-".join(cell) for cell in _CELLS])
def test_cell(benchmark: BenchmarkFixture, technique: str, workload: str) -> None:
    expected = workloads.find(workload).expect.get(technique, "ok")
    if expected != "ok":
        pytest.skip(f"is expected to be {expected}")
    bench = Bench()
    cell: Measured = benchmark.pedantic(lambda: bench.run(technique, workload), rounds=1)
    benchmark.extra_info["counters"] = {name: cell[name] for name in _SHOWN}
    benchmark.extra_info["cycles"] = {
        name: round(cell.cycles(name))
        for name, preset in _PRESETS.items()
        if not inapplicable(cell.counters, preset)
    }
