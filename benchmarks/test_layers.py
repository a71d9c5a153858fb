"""What each layer costs: the bare engine, with virtual time and the block profile, with the own MMU and modelled
TLBs on top. One process, interleaved; the ratios count.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.loops import LOOPS, Loop, accounted_machine
from benchmarks.test_host_speed import bare_seconds
from hardware_model import machine as machine_module
from hardware_model.executor import layout
from hardware_model.executor.engine import Engine
from hardware_model.executor.words import Mode
from hardware_model.machine import End

PAIRS = 5


class WithoutMmu(Engine):
    """The engine's own MMU in place of the modelled one."""

    def _install(self) -> None:
        slot = machine_word(self, layout.CPU_TLB_FILL_SLOTS[0])
        engines_own = slot.value
        super()._install()
        slot.value = engines_own


def machine_word(engine: Engine, offset: int) -> Any:
    """A word of the engine's CPU object."""
    import ctypes

    return ctypes.c_uint64.from_address(engine.cpu + offset)


LAYERS: dict[str, type[Engine]] = {
    "virtual time and block profile": WithoutMmu,
    "and own MMU with modelled TLBs": Engine,
}


def seconds(loop: Loop, engine: type[Engine], monkeypatch: pytest.MonkeyPatch) -> float:
    """Time of the loop on a machine with that engine."""
    with monkeypatch.context() as patch:
        patch.setattr(machine_module, "Engine", engine)
        machine, memory = accounted_machine()
    machine.load_state(loop.load(memory))
    begin = time.process_time()
    assert machine.run(Mode.BARE) is End.HALTED
    return time.process_time() - begin


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_speed_by_layer(
    benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch, loop: Loop
) -> None:
    ratios: dict[str, list[float]] = {name: [] for name in LAYERS}
    for _ in range(PAIRS):
        bare = bare_seconds(loop)
        for name, engine in LAYERS.items():
            ratios[name].append(bare / seconds(loop, engine, monkeypatch))
    found = {name: round(statistics.median(values), 3) for name, values in ratios.items()}
    benchmark.extra_info.update({**found, "floor": loop.floor})
    benchmark.pedantic(lambda: bare_seconds(loop), rounds=1)
    text = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    print(f"\n{loop.name}, relative to bare: {text} (aim {loop.floor})", end="")
