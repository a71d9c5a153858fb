"""Hypercalls of the guest kernel's operations, explained from its source (workloads/kernel_source).

Timer events are apart: each is an upcall with one set_timer_op and one iret.
"""

from __future__ import annotations

import workloads
from techniques import run_guest


def per_operation(name: str, times: int) -> dict[str, int]:
    """Hypercall counters of the region of interest for one operation, events subtracted."""
    calls = run_guest("pv", workloads.find(name), "small").counters_roi
    events = calls.get("pv.upcall", 0)
    wanted = ("mmu_update", "mmuext_op", "multicall", "stack_switch", "iret")
    counts = {call: calls.get(f"hypercall.{call}", 0) for call in wanted}
    counts["iret"] -= events
    counts["pte"] = calls.get("pv.mmu_update_entry", 0)
    assert all(count % times == 0 for count in counts.values()), counts
    return {call: count // times for call, count in counts.items() if count}


def test_a_system_call_takes_an_iret() -> None:
    assert per_operation("kernel/null-call", 4000) == {"iret": 1}


def test_a_context_switch_takes_one_multicall() -> None:
    """switch_process: stack_switch and both new roots together; an iret for each of the two yields around it."""
    assert per_operation("kernel/context-switch", 240) == {
        "multicall": 1,
        "stack_switch": 1,
        "mmuext_op": 1,
        "iret": 2,
    }


def test_a_demand_page_fault_takes_an_update_and_an_iret() -> None:
    """For 64 pages: 64 entries, and three new tables, each made read-only and attached: 70 updates.

    The PDPT's entry goes to the root of user mode as well, so one update holds two entries: 71.
    """
    assert per_operation("kernel/page-fault", 3) == {"mmu_update": 70, "pte": 71, "iret": 64}


def test_a_copy_on_write_fault_takes_an_update_a_flush_and_an_iret() -> None:
    counts = run_guest("pv", workloads.find("kernel/cow-fault"), "small").counters_roi
    faults = counts["pv.exception_bounced"]
    assert counts["hypercall.mmu_update"] == faults
    assert counts["pv.invlpg"] == faults - 2  # the two that first touch the stack or data need none
    assert counts["hypercall.iret"] - counts["pv.upcall"] - counts["pv.syscall_bounced"] == faults


def test_mapping_touching_and_unmapping_eight_pages() -> None:
    """mmap: nothing. Eight faults: an update each, three tables by two each. munmap: three updates and a flush.

    Each update of munmap clears a table's entry and makes its frame writable; the pages' entries go with the first.
    """
    assert per_operation("kernel/mmap-munmap", 20) == {
        "mmu_update": 8 + 3 * 2 + 3,
        "mmuext_op": 1,
        "iret": 8 + 2,
        "pte": 30,
    }


def test_fork_exit_and_wait() -> None:
    """Four multicalls: roots made and pinned, roots unpinned and made writable, two switches of process.

    Alone go the new tables' updates, the copied entries of each region, the parent's flush, the switch to the kernel's
    root at exit, and the faults of both processes on the pages that they share.
    """
    assert per_operation("kernel/fork-wait", 1) == {
        "mmu_update": 12 * 15,
        "mmuext_op": 12 * 8,
        "multicall": 12 * 4,
        "stack_switch": 12 * 2,
        "iret": 12 * 5,
        "pte": 12 * 37,
    }
