"""Host time beside other simulators, on the same guest images: Unicorn alone and with Python hooks that count the same,
QEMU's TCG alone and with a counting plugin, Bochs. What is not installed is skipped.

Each figure is the slope between two lengths of a loop, in processor time of the whole process, so that start-up does
not count. What QEMU and the hooks counted must be what the accounted machine counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bars import Board
from benchmarks.loops import (
    IDLE_SYSTEM_CALL,
    LOOPS,
    RAM,
    SYSTEM_CALL,
    Loop,
    accounted_machine,
)
from benchmarks.simulators.bochs import Bochs
from benchmarks.simulators.process import Run, Unavailable
from benchmarks.simulators.qemu import Qemu
from benchmarks.simulators.rom import END
from hardware_model import counters as counter_table
from hardware_model.executor.bare_engine import BareEngine
from hardware_model.executor.words import Mode
from hardware_model.machine import End, Machine

ROUNDS = 3
_READ = ("load", "load_store", "pop", "ret")
_WRITTEN = ("store", "load_store", "push", "call")
#: The block that ends the guest is counted when it is entered: the JMP behind the OUT that ends it never executes.
BEHIND_THE_END = 1


def accounted(loop: Loop) -> Run:
    """The machine with everything on."""
    machine, memory = accounted_machine()
    machine.load_state(loop.load(memory, END))
    begin = time.process_time()
    assert machine.run(Mode.BARE) is End.EXITED
    taken = time.process_time() - begin
    counted = counter_table.as_dict(machine.profile.counters())
    return Run(taken, machine.instructions, counted["blocks"])


def bare(loop: Loop) -> Run:
    """Unicorn alone."""
    engine = BareEngine(RAM)
    return Run(engine.run(loop.load(engine)))


def hooked(loop: Loop) -> Run:
    """Unicorn with Python hooks."""
    engine = BareEngine(RAM)
    counts = engine.count_with_python_hooks()
    seconds = engine.run(loop.load(engine))
    return Run(seconds, counts.instructions, counts.blocks)


def memory_accesses(machine: Machine) -> tuple[int, int]:
    """Reads and writes of memory by the instructions that the machine executed."""
    counted = counter_table.as_dict(machine.profile.counters())
    reads, writes = (
        sum(counted.get(f"insn.{name}", 0) for name in names) for names in (_READ, _WRITTEN)
    )
    return reads, writes


@dataclass(frozen=True, slots=True)
class Simulator:
    """A way to run a loop; `share` of the loop's times is what it can do in reasonable time."""

    name: str
    share: float
    prepare: Callable[[Path], Callable[[Loop], Run]]


SIMULATORS = (
    Simulator("Unicorn alone", 1, lambda folder: bare),
    Simulator("Unicorn with Python hooks", 1 / 200, lambda folder: hooked),
    Simulator("QEMU TCG", 6, lambda folder: Qemu(folder, counting=False).run),
    Simulator("QEMU TCG, counting", 6, lambda folder: Qemu(folder, counting=True).run),
    Simulator("Bochs", 1 / 2, lambda folder: Bochs(folder).run),
)


def iteration(loop: Loop, run: Callable[[Loop], Run], share: float = 1) -> float:
    """Nanoseconds of one iteration of the loop."""
    short, long = (replace(loop, times=int(loop.times * share * part)) for part in (0.1, 1))
    runs = [(run(short), run(long)) for _ in range(ROUNDS)]
    seconds = min(b.seconds for _, b in runs) - min(a.seconds for a, _ in runs)
    return seconds / (long.times - short.times) * 1e9


@pytest.mark.parametrize("loop", (*LOOPS, SYSTEM_CALL), ids=lambda loop: loop.name)
@pytest.mark.parametrize("simulator", SIMULATORS, ids=lambda simulator: simulator.name)
def test_time_beside_another_simulator(
    benchmark: BenchmarkFixture, board: Board, simulator: Simulator, loop: Loop, tmp_path: Path
) -> None:
    theirs_of = loop
    if simulator.name.startswith("Unicorn") and loop is SYSTEM_CALL:
        theirs_of = IDLE_SYSTEM_CALL
    try:
        run = simulator.prepare(tmp_path)
        theirs = iteration(theirs_of, run, simulator.share)
    except Unavailable as reason:
        pytest.skip(str(reason))
    ours = iteration(loop, accounted)
    benchmark.extra_info.update(nanoseconds=theirs, ours=ours)
    benchmark.pedantic(lambda: run(replace(theirs_of, times=1000)), rounds=1)
    line = board.compared(simulator.name, loop.name, theirs / ours, theirs, ours)
    print("\n" + line, end="")


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.name)
def test_python_hooks_count_the_same(benchmark: BenchmarkFixture, loop: Loop) -> None:
    loop = replace(loop, times=2000)
    engine = BareEngine(RAM)
    counts = engine.count_with_python_hooks()
    benchmark.pedantic(lambda: engine.run(loop.load(engine)), rounds=1)
    machine, memory = accounted_machine()
    machine.load_state(loop.load(memory))
    assert machine.run(Mode.BARE) is End.HALTED
    blocks = counter_table.as_dict(machine.profile.counters())["blocks"]
    assert (counts.instructions, counts.blocks) == (machine.instructions, blocks)
    assert (counts.reads, counts.writes) == memory_accesses(machine)


@pytest.mark.parametrize("loop", (*LOOPS, SYSTEM_CALL), ids=lambda loop: loop.name)
def test_qemu_counts_the_same_instructions(
    benchmark: BenchmarkFixture, loop: Loop, tmp_path: Path
) -> None:
    try:
        qemu = Qemu(tmp_path, counting=True)
        theirs = benchmark.pedantic(lambda: qemu.run(replace(loop, times=54_321)), rounds=1)
    except Unavailable as reason:
        pytest.skip(str(reason))
    ours = accounted(replace(loop, times=54_321))
    assert ours.instructions is not None
    print(f"\n{loop.name}: {theirs.instructions:,} by QEMU, {ours.instructions:,} by us", end="")
    assert theirs.instructions == ours.instructions + BEHIND_THE_END
