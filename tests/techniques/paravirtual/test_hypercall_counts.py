"""Hypercalls of the guest kernel's operations are those that its source says (`guest_model.py`), whatever the size.

Timer events are apart: each is an upcall with one set_timer_op and one iret. A tick that finds another process ready
adds a switch; the sizes here have none.
"""

from __future__ import annotations

from collections import Counter

import pytest

import workloads
from techniques import run_guest
from techniques.knobs import Value

from .guest_model import MMAP_START, PAGE, Guest, Region, Space, user_image

COUNTERS = {
    **{
        name: f"hypercall.{name}"
        for name in ("mmu_update", "mmuext_op", "multicall", "stack_switch", "iret")
    },
    **{name: f"pv.{name}" for name in ("pin", "unpin", "root_switch", "tlb_flush", "invlpg")},
    "pte": "pv.mmu_update_entry",
}
KNOBS: list[dict[str, Value]] = [{}, {"pv.batching": "single"}, {"pv.traps": "direct"}]


def observed(name: str, size: str, knobs: dict[str, Value]) -> Counter[str]:
    """Hypercalls in the region of interest, by name, without those of timer events."""
    outcome = run_guest("pv", workloads.find(name), size, knobs=knobs)
    assert outcome.status == "ok", outcome.reason
    counts = outcome.counters_roi
    found = Counter({name: counts.get(counter, 0) for name, counter in COUNTERS.items()})
    if knobs.get("pv.traps") != "direct":
        found["iret"] -= counts.get("pv.upcall", 0)
    return +found


def expected(guest: Guest) -> Counter[str]:
    """The same of the model."""
    return +Counter({name: guest.calls[name] for name in COUNTERS})


def guest_of(knobs: dict[str, Value]) -> Guest:
    return Guest(
        batching=knobs.get("pv.batching") != "single", direct=knobs.get("pv.traps") == "direct"
    )


@pytest.mark.parametrize("knobs", KNOBS)
@pytest.mark.parametrize("calls", [1, 500])
def test_a_system_call_takes_an_iret(calls: int, knobs: dict[str, Value]) -> None:
    guest = guest_of(knobs)
    for _ in range(calls):
        guest.interrupt_return()
    assert observed("kernel/null-call", f"small,iterations={calls}", knobs) == expected(guest)


@pytest.mark.parametrize("knobs", KNOBS)
@pytest.mark.parametrize(("processes", "switches"), [(1, 60), (2, 40), (2, 240), (4, 24)])
def test_a_context_switch_takes_one_multicall(
    processes: int, switches: int, knobs: dict[str, Value]
) -> None:
    """The new stack and roots together; an iret for each of the two system calls around it, which pass the token."""
    guest = guest_of(knobs)
    for _ in range(switches):
        if processes > 1:
            guest.switch_process()
        guest.interrupt_return()
        guest.interrupt_return()
    size = f"small,processes={processes},switches={switches}"
    assert observed("kernel/context-switch", size, knobs) == expected(guest)


@pytest.mark.parametrize("knobs", KNOBS)
@pytest.mark.parametrize(("pages", "rounds"), [(64, 3), (1, 2), (1100, 1)])
def test_a_demand_page_fault_takes_an_update_and_an_iret(
    pages: int, rounds: int, knobs: dict[str, Value]
) -> None:
    """And two updates for each table that is missing: made read-only, attached. A PDPT is attached to two roots."""
    guest = guest_of(knobs)
    for _ in range(rounds):
        space, region = Space(), Region(MMAP_START, MMAP_START + pages * PAGE)
        guest.map(space, region)
        for address in range(region.start, region.end, PAGE):
            guest.fault(space, address)
    size = f"small,pages={pages},rounds={rounds}"
    assert observed("kernel/page-fault", size, knobs) == expected(guest)


def test_a_copy_on_write_fault_takes_an_update_a_flush_and_an_iret() -> None:
    counts = run_guest("pv", workloads.find("kernel/cow-fault"), "small").counters_roi
    faults = counts["pv.exception_bounced"]
    assert counts["hypercall.mmu_update"] == faults
    assert counts["pv.invlpg"] == faults - 2  # the two that first touch the stack or data need none
    assert counts["hypercall.iret"] - counts["pv.upcall"] - counts["pv.syscall_bounced"] == faults


@pytest.mark.parametrize("knobs", KNOBS)
@pytest.mark.parametrize(
    ("pages", "touched", "stride", "rounds"),
    [(64, 8, 1, 20), (33, 33, 1, 2), (200, 150, 1, 1), (2048, 51, 4, 2)],
)
def test_mapping_touching_and_unmapping(
    pages: int, touched: int, stride: int, rounds: int, knobs: dict[str, Value]
) -> None:
    """mmap: nothing. A fault for each page touched. munmap: an update for each table that goes, and flushes."""
    guest = guest_of(knobs)
    for _ in range(rounds):
        space, region = Space(), Region(MMAP_START, MMAP_START + pages * PAGE)
        guest.map(space, region)
        for number in range(touched):
            guest.fault(space, MMAP_START + number * stride * PAGE)
        guest.unmap(space, region)
        guest.interrupt_return()
        guest.interrupt_return()
    size = f"small,pages={pages},touched={touched},stride={stride},rounds={rounds}"
    assert observed("kernel/mmap-munmap", size, knobs) == expected(guest)


@pytest.mark.parametrize("knobs", KNOBS)
@pytest.mark.parametrize(
    ("iterations", "writable", "read_only", "written"),
    [(12, 0, 0, 0), (3, 0, 0, 0), (2, 24, 72, 12), (2, 600, 5, 1)],
)
def test_fork_exit_and_wait(
    iterations: int, writable: int, read_only: int, written: int, knobs: dict[str, Value]
) -> None:
    """The child's space is made, both copy what they write to, the child's is taken away; two switches of process."""
    name = "kernel/fork-wait"
    parent, setup, guest = user_image(workloads.find(name)), Guest(), guest_of(knobs)
    middle = MMAP_START + writable * PAGE
    if writable:
        setup.map(parent, Region(MMAP_START, middle), writable=True)
    if read_only:
        setup.map(parent, Region(middle, middle + read_only * PAGE), writable=False)
    data = parent.regions[1].start  # the page with the status
    for _ in range(iterations):
        child = guest.share(parent)
        guest.interrupt_return()  # of fork, in the parent
        guest.switch_process()
        guest.interrupt_return()  # of fork, in the child
        for address in (data, *range(MMAP_START, MMAP_START + written * PAGE, PAGE)):
            guest.write_fault(child, address)
        guest.release(child)
        guest.switch_process()
        guest.write_fault(parent, data)  # wait stores the status
        guest.interrupt_return()  # of wait
    size = (
        f"small,iterations={iterations},writable={writable},read_only={read_only},written={written}"
    )
    assert observed(name, f"{size},read={min(read_only, 24)}", knobs) == expected(guest)


def test_what_a_fork_takes_is_this() -> None:
    """The factors by themselves, for a program of four pages below five tables, of which it has written to one.

    Updates of entries: two roots and five tables made read-only and attached, one of them to both roots; the
    parent's page; four pages; two copies; and all but the parent's and the copies undone.
    """
    roots, tables, pages, written, copies = 2, 5, 4, 1, 2
    space = roots + (2 * tables + 1) + pages
    counts = observed("kernel/fork-wait", "small,iterations=1", {})
    assert counts["pte"] == space + written + copies + space
    made = 1 + tables + 1  # the roots' multicall, each table, the rest
    assert counts["mmu_update"] == made + copies + tables + 1
    assert counts["multicall"] == len(("roots made", "roots released", "to the child", "back"))
