"""Host speed of the fully accounted machine against the bare engine, side by side in one process.

Absolute times vary with the host; the ratios are what counts. Each ratio is the median of interleaved pairs.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bars import Board
from benchmarks.loops import LOOPS, RAM, SYSTEM_CALL, Loop, accounted_machine, image
from hardware_model.executor.bare_engine import BareEngine
from hardware_model.executor.words import Mode
from hardware_model.machine import End, Machine
from techniques.binary_translation import BinaryTranslation
from techniques.hvm.ept_memory import HvmEpt
from techniques.hvm.shadow_memory import HvmShadow
from techniques.knobs import resolve
from techniques.technique import Technique

PAIRS = 5
TRANSLATED_FLOOR = 1 / 3


def bare_seconds(loop: Loop) -> float:
    """Time of the loop on the engine alone."""
    engine = BareEngine(RAM)
    return engine.run(loop.load(engine))


def accounted_seconds(loop: Loop) -> tuple[float, Machine]:
    """Time of the loop on the machine with virtual time, block profile, own MMU and modelled TLBs."""
    machine, memory = accounted_machine()
    machine.load_state(loop.load(memory))
    begin = time.process_time()
    assert machine.run(Mode.BARE) is End.HALTED
    return time.process_time() - begin, machine


def virtualized_seconds(loop: Loop, technique: type[Technique]) -> float:
    """Time of the loop as a guest, set-up included."""
    machine = Machine(technique.vmm_bytes + RAM)
    guest = technique(machine, image(loop), resolve(technique.name, technique.knobs, {}))
    begin = time.process_time()
    assert guest.run(None) is End.HALTED
    return time.process_time() - begin


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_accounted_speed_relative_to_the_bare_engine(
    benchmark: BenchmarkFixture, board: Board, loop: Loop
) -> None:
    pairs = [(bare_seconds(loop), accounted_seconds(loop)) for _ in range(PAIRS)]
    ratio = statistics.median(bare / accounted for bare, (accounted, _) in pairs)
    machine = pairs[-1][1][1]
    benchmark.extra_info.update(
        ratio_to_bare=round(ratio, 3),
        floor=loop.floor,
        million_instructions_per_second=round(machine.instructions / pairs[-1][1][0] / 1e6),
    )
    benchmark.pedantic(lambda: accounted_seconds(loop), rounds=1)
    print("\n" + board.measured(loop.name, ratio), end="")


@pytest.mark.parametrize(
    "technique", [HvmEpt, HvmShadow], ids=lambda technique: str(technique.name)
)
def test_virtualized_speed_relative_to_native(
    benchmark: BenchmarkFixture, technique: type[Technique]
) -> None:
    loop = LOOPS[3]
    ratio = statistics.median(
        accounted_seconds(loop)[0] / virtualized_seconds(loop, technique) for _ in range(PAIRS)
    )
    benchmark.extra_info["ratio_to_native"] = round(ratio, 3)
    benchmark.pedantic(lambda: virtualized_seconds(loop, technique), rounds=1)
    print(f"\n{technique.name}: native/virtualized = {ratio:.2f}", end="")


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_translated_kernel_speed_relative_to_native(
    benchmark: BenchmarkFixture, loop: Loop
) -> None:
    pairs = [
        accounted_seconds(loop)[0] / virtualized_seconds(loop, BinaryTranslation)
        for _ in range(PAIRS)
    ]
    ratio = statistics.median(pairs)
    benchmark.extra_info.update(ratio_to_native=round(ratio, 3), floor=TRANSLATED_FLOOR)
    benchmark.pedantic(lambda: virtualized_seconds(loop, BinaryTranslation), rounds=1)
    print(f"\n{loop.name}: translated/native = {ratio:.2f} (aim {TRANSLATED_FLOOR:.2f})", end="")


@pytest.mark.parametrize("technique", [None, HvmEpt, HvmShadow, BinaryTranslation])
def test_system_calls(benchmark: BenchmarkFixture, technique: type[Technique] | None) -> None:
    """A program that does nothing but call a kernel that returns at once."""
    loop = replace(SYSTEM_CALL, times=5_000) if technique is BinaryTranslation else SYSTEM_CALL

    def taken() -> float:
        return virtualized_seconds(loop, technique) if technique else accounted_seconds(loop)[0]

    each = min(taken() for _ in range(PAIRS)) / loop.times * 1e6
    benchmark.extra_info["microseconds"] = round(each, 3)
    benchmark.pedantic(taken, rounds=1)
    print(f"\n{technique.name if technique else 'native'}: system call {each:.2f} us", end="")
