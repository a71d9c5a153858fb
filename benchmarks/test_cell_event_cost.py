"""Host cost of one event of each kind, in running cells: the slope between two sizes of a workload.

What the guest executes for each event is part of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import workloads
from benchmarks.bars import Board
from techniques import Outcome, run_guest

SIZES = ("small", "standard")
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Event:
    """An event that a cell counts under the name `counter`."""

    name: str
    technique: str
    workload: str
    counter: str
    io: str = "emulated"
    bar: str = ""


EVENTS = (
    Event("exit for CPUID", "hvm-ept", "exit/cpuid", "exits", bar="exit"),
    Event("exit for a port", "hvm-ept", "exit/port-out", "exits", bar="exit"),
    Event("exit for WRMSR", "hvm-ept", "exit/wrmsr", "exits", bar="exit"),
    Event("exit for RDMSR", "hvm-ept", "exit/rdmsr", "exits", bar="exit"),
    Event("exit for VMCALL", "hvm-ept", "exit/hypercall", "exits", bar="exit"),
    Event("exits of HLT and its wake-up", "hvm-ept", "exit/hlt-timer", "exits", bar="exit"),
    Event("exits of an interrupt to itself", "hvm-ept", "exit/self-ipi", "exits", bar="exit"),
    Event("exit for a device register", "hvm-ept", "exit/mmio", "exits", bar="exit"),
    Event("exit for MOV CR3", "hvm-shadow", "exit/mov-cr3", "exits", bar="exit"),
    Event("exit for INVLPG", "hvm-shadow", "exit/invlpg", "exits", bar="exit"),
    Event("shadow fault", "hvm-shadow", "kernel/page-fault", "exits", bar="exit"),
    Event("traced page-table write", "hvm-shadow", "nano/ptemod-unchanged", "exits", bar="exit"),
    Event("hypercall", "pv", "exit/mov-cr3", "hypercall.entries"),
    Event("system call under pv", "pv", "kernel/null-call", "pv.syscall_bounced"),
    Event("callout", "bt", "exit/wrmsr", "bt.callout"),
    Event("trap", "trap-and-emulate", "nano/in", "traps"),
    Event("unit translated", "bt", "code/tiny-jit", "bt.unit"),
    Event("interrupt to itself", "native", "exit/self-ipi", "interrupt.delivered"),
    Event("system call", "native", "kernel/null-call", "syscall"),
    Event("page fault and its handler", "native", "kernel/page-fault", "exception.pf"),
    Event("DMA transaction", "native", "io/network-receive", "dma.write"),
)


def run(event: Event, size: str) -> tuple[float, Outcome]:
    """Processor seconds of the cell, and what it counted."""
    workload = workloads.find(event.workload)
    begin = time.process_time()
    outcome = run_guest(event.technique, workload, size, io=event.io)
    return time.process_time() - begin, outcome


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_cost_of_an_event(benchmark: BenchmarkFixture, board: Board, event: Event) -> None:
    seconds, counts = [], []
    for size in SIZES:
        runs = [run(event, size) for _ in range(ROUNDS)]
        seconds.append(min(taken for taken, _ in runs))
        counts.append(int(runs[0][1].counters_total[event.counter]))
    assert counts[1] > counts[0], f"{event.workload} does not count {event.counter}"
    cost = (seconds[1] - seconds[0]) / (counts[1] - counts[0]) * 1e6
    benchmark.extra_info["microseconds"] = round(cost, 2)
    benchmark.pedantic(lambda: run(event, SIZES[0]), rounds=1)
    if event.bar:
        print("\n" + board.measured(event.bar, cost, f"{event.name}, {event.technique}"), end="")
    else:
        print(f"\n{event.technique}, {event.name}: {cost:.2f} us", end="")
