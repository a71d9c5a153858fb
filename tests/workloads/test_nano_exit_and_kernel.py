"""The families nano, exit and kernel: each workload did what it says, as often as it says."""

from __future__ import annotations

import pytest

import workloads
from hardware_model.cpuid import cpuid
from hardware_model.msrs import BY_NUMBER

HOLE = 0xFFFFFFFFC0100000
WRITTEN_MSR = 0x00050100


def rounds(count: int) -> int:
    """Rounds over the 512 entries of a page table."""
    return -(-count // 512)


NANO = {
    "callret": lambda n: [n],
    "cr8wr": lambda n: [5],
    "divzero": lambda n: [n],
    "in": lambda n: [0xFF * n],
    "pgfault": lambda n: [n, HOLE, 0],
    "ptemod-np-to-p": lambda n: [7 * 512 * rounds(n), rounds(n)],
    "ptemod-p-to-np": lambda n: [512 * rounds(n), rounds(n)],
    "ptemod-unchanged": lambda n: [512],
    "syscall": lambda n: [n],
}
EXIT = {
    "cpuid": lambda n: [sum(cpuid(0)) & 0xFFFFFFFF],
    "hlt-timer": lambda n: [n],
    "hypercall": lambda n: [n],
    "invlpg": lambda n: [7 * n],
    "mmio": lambda n: [n // 2 * (3 + 8)],
    "mov-cr3": lambda n: [n],
    "mov-dr": lambda n: [n * (n + 1) // 2],
    "mov-from-cr8": lambda n: [3 * n],
    "mov-to-cr8": lambda n: [n // 2 * (2 + 15) + 15],
    "popf": lambda n: [n // 2 * 0x200],
    "port-in": lambda n: [0x60 * n],
    "port-out": lambda n: [1],
    "rdmsr": lambda n: [BY_NUMBER[0x277].reset],
    "rdmsr@fs-base": lambda n: [0],
    "rdtsc": lambda n: [0],
    "self-ipi": lambda n: [n],
    "wrmsr": lambda n: [BY_NUMBER[0x277].reset >> 32 << 32 | WRITTEN_MSR],
    "wrmsr@fs-base": lambda n: [WRITTEN_MSR],
}
KERNEL = {
    "null-call": lambda n: [n],
    "gate-call": lambda n: [n, 0],
    "gate-call@install": lambda n: [n, 0],
    "gate-call@signal": lambda n: [n, n],
    "fork-wait": lambda n: [n * (n + 1) // 2, sum(range(2, n + 2))],
    "fork-wait@process": lambda n: [n * (n + 1) // 2, sum(range(2, n + 2))],
    "fork-exec": lambda n: [67 * n],
    "exec": lambda n: [n, 0],
    "protection-fault": lambda n: [n, 0],
    "signal": lambda n: [n],
    "signal-install": lambda n: [n],
    "pipe": lambda n: [n * (n + 1) // 2 + n],
    "pipe@1k": lambda n: [n * (n + 1) // 2 + n],
}
BY_ITERATIONS = [
    (f"{family}/{name}", expected)
    for family, table in (("nano", NANO), ("exit", EXIT), ("kernel", KERNEL))
    for name, expected in table.items()
]


def of_family(*families: str) -> list[str]:
    """The names of all workloads of some families."""
    return [workload.name for workload in workloads.all() if workload.family in families]


@pytest.mark.parametrize(("name", "expected"), BY_ITERATIONS)
def test_the_outcome_is_what_the_iterations_make_it(run_workload, parameters, name, expected):
    words = expected(parameters(name)["iterations"])
    assert run_workload(name)[: len(words)] == words


def test_lgdt_loads_the_kernel_s_table(run_workload):
    assert run_workload("exit/lgdt")[0] == workloads.find("exit/lgdt").image().symbols["gdt"]


@pytest.mark.parametrize("name", [n for n in of_family("kernel") if "context-switch" in n])
def test_the_token_goes_around_and_memory_is_read(run_workload, parameters, name):
    given = parameters(name)
    processes, lines = given["processes"], given["footprint"] // 64
    turns = given["switches"] // processes * processes
    assert run_workload(name)[:2] == [turns, (turns + processes - 1) * lines]


def test_every_page_touched_was_zero(run_workload, parameters):
    given = parameters("kernel/page-fault")
    assert run_workload("kernel/page-fault")[:2] == [given["pages"] * given["rounds"], 0]


def test_parent_and_children_count_on_their_own_copies(run_workload, parameters):
    given = parameters("kernel/cow-fault")
    pages, times = given["pages"], given["rounds"]
    children = pages * times * (times + 1) // 2
    assert run_workload("kernel/cow-fault")[:2] == [children, pages * times]


@pytest.mark.parametrize("name", ["kernel/mmap-munmap", "kernel/mmap-munmap@8m"])
def test_a_mapping_comes_back_to_the_same_place(run_workload, parameters, name):
    assert run_workload(name)[0] == parameters(name)["rounds"]


def test_every_workload_has_its_outcome_tested():
    tested = {name for name, _ in BY_ITERATIONS} | {"exit/lgdt"}
    others = {"page-fault", "cow-fault", "mmap-munmap", "mmap-munmap@8m"}
    left = set(of_family("nano", "exit", "kernel")) - tested - {f"kernel/{n}" for n in others}
    assert {name.split("@")[0] for name in left} == {"kernel/context-switch"}


@pytest.mark.slow
@pytest.mark.parametrize("name", of_family("nano", "exit", "kernel"))
def test_standard_runs_too(run_workload, name):
    run_workload(name, size="standard")
