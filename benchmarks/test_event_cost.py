"""Host cost of one event: exits handled in Python, and events that native code handles alone."""

from __future__ import annotations

import time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.bars import Board
from benchmarks.loops import RAM, Loop, accounted_machine, image
from hardware_model import counters as counter_table
from hardware_model.executor.words import Mode
from hardware_model.machine import End, Machine
from techniques.hvm.ept_memory import HvmEpt
from techniques.hvm.shadow_memory import HvmShadow
from techniques.knobs import resolve
from techniques.technique import Technique

TIMES = 20_000
ROUNDS = 3
_EXITS = counter_table.index("exits")
EXITS = {
    "cpuid": (HvmEpt, "push rcx; xor eax, eax; cpuid; pop rcx"),
    "port-in": (HvmEpt, "in al, 0x80"),
    "rdmsr": (HvmEpt, "push rcx; mov ecx, 0xc0000082; rdmsr; pop rcx"),
    "mov-cr3": (HvmShadow, "mov rax, cr3; mov cr3, rax"),
    "invlpg": (HvmShadow, "invlpg [rdi]"),
}
NATIVE = {
    "mov-cr3": "mov rax, cr3; mov cr3, rax",
    "rdtsc": "rdtsc",
    "invlpg": "invlpg [rdi]",
    "invlpg and a page walk": "invlpg [rdi]; mov rax, [rdi]",
    "mov-cr8": "mov cr8, rax",
}


def seconds(body: str, times: int, technique: type[Technique] | None) -> tuple[float, int]:
    """Run the loop on the bare machine (`technique` None) or as a guest: time, and VM exits."""
    loop = Loop("event", body, times, 0.0)
    begin: float
    if technique is None:
        machine, memory = accounted_machine()
        machine.load_state(loop.load(memory))
        begin = time.process_time()
        assert machine.run(Mode.BARE) is End.HALTED
        return time.process_time() - begin, 0
    guest = technique(
        Machine(technique.vmm_bytes + RAM),
        image(loop),
        resolve(technique.name, technique.knobs, {}),
    )
    begin = time.process_time()
    assert guest.run(None) is End.HALTED
    return time.process_time() - begin, int(guest.machine.counters[_EXITS])


def microseconds_per_event(body: str, technique: type[Technique] | None) -> float:
    """Slope between two loop lengths, so that set-up does not count. As a guest, of an exit: some loops have two."""
    short, long = (
        [seconds(body, times, technique) for _ in range(ROUNDS)] for times in (TIMES // 10, TIMES)
    )
    events = long[0][1] - short[0][1] or TIMES - TIMES // 10
    return (min(t for t, _ in long) - min(t for t, _ in short)) / events * 1e6


@pytest.mark.parametrize("name", EXITS)
def test_exit_handled_in_python(benchmark: BenchmarkFixture, board: Board, name: str) -> None:
    technique, body = EXITS[name]
    cost = microseconds_per_event(body, technique)
    benchmark.extra_info["microseconds"] = round(cost, 2)
    benchmark.pedantic(lambda: seconds(body, TIMES, technique), rounds=1)
    print("\n" + board.measured("exit", cost, f"{name}, {technique.name}"), end="")


@pytest.mark.parametrize("name", NATIVE)
def test_event_handled_natively(benchmark: BenchmarkFixture, board: Board, name: str) -> None:
    cost = microseconds_per_event(NATIVE[name], None)
    benchmark.extra_info["microseconds"] = round(cost, 3)
    benchmark.pedantic(lambda: seconds(NATIVE[name], TIMES, None), rounds=1)
    print("\n" + board.measured("native event", cost, name), end="")
