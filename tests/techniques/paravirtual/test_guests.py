"""The ported guest kernel under pv: the same outcome as native, and hypercalls where the source says so."""

from __future__ import annotations

import pytest

import workloads
from hardware_model import counter_groups
from techniques import Outcome, Skipped, run_guest
from techniques.paravirtual.hypercall_table import HYPERCALLS

PORTED = (
    "compute/recursive-calls",
    "kernel/context-switch@8p16k",
    "kernel/cow-fault",
    "kernel/exec",
    "kernel/fork-wait",
    "kernel/mmap-munmap",
    "kernel/null-call",
    "kernel/pipe",
    "kernel/protection-fault",
    "kernel/signal",
    "memory/page-table-churn",
    "exit/hlt-timer",
    "exit/hypercall",
    "exit/mov-cr3",
    "exit/mov-dr",
    "exit/popf",
    "exit/rdmsr@fs-base",
    "exit/wrmsr@fs-base",
    "exit/self-ipi",
    "nano/divzero",
    "nano/in",
    "nano/pgfault",
    "nano/ptemod-np-to-p",
    "nano/syscall",
)


def run(technique: str, name: str, **knobs: str) -> Outcome:
    return run_guest(technique, workloads.find(name), "small", knobs=knobs)


@pytest.mark.parametrize("name", PORTED)
def test_a_ported_guest_has_the_outcome_of_the_native_one(name: str) -> None:
    pv, native = run("pv", name), run("native", name)
    assert (pv.status, pv.reason) == ("ok", "")
    assert set(pv.outcome_parts) == {"status", "console", "result"}
    assert pv.outcome_parts.items() <= native.outcome_parts.items()
    assert "pv.rejected" not in pv.counters_total
    refused = 2000 if name == "exit/hypercall" else 0  # which asks for one that does not exist
    assert pv.counters_total.get("hypercall.unimplemented", 0) == refused


@pytest.mark.parametrize("name", ["kernel/fork-wait", "kernel/mmap-munmap"])
def test_without_batching_the_same_work_takes_more_hypercalls(name: str) -> None:
    batched, single = run("pv", name), run("pv", name, **{"pv.batching": "single"})
    assert single.status == "ok"
    assert single.outcome_parts == batched.outcome_parts
    assert single.counters_roi["hypercall.entries"] > batched.counters_roi["hypercall.entries"]
    assert "pv.multicall_entry" not in single.counters_roi


def test_a_system_call_is_bounced_and_returns_by_one_hypercall() -> None:
    calls = run("pv", "kernel/null-call").counters_roi
    events = calls.get("pv.upcall", 0)
    assert calls["hypercall.iret"] == calls["pv.syscall_bounced"] + events
    assert 2 * calls["pv.syscall_bounced"] <= calls["pv.mode_switch"] <= 2 * calls["hypercall.iret"]


@pytest.mark.parametrize("traps", ["bounced", "direct"])
def test_no_port_is_the_guests(traps: str) -> None:
    counts = run("pv", "nano/in", **{"pv.traps": traps}).counters_roi
    assert counts["trap.gp"] == counts["trap.emulated"] == 2000
    assert "port.in" not in counts


def test_counters_are_the_same_in_every_run() -> None:
    first, second = run("pv", "kernel/fork-wait"), run("pv", "kernel/fork-wait")
    assert first.counters_total == second.counters_total


@pytest.mark.parametrize(
    "name", ["exit/mov-to-cr8", "exit/port-in", "memory/random-update@2m", "exit/rdmsr"]
)
def test_what_porting_removes_is_skipped_with_a_reason(name: str) -> None:
    with pytest.raises(Skipped, match=r"porting removes|2 MiB pages|Xen.s and not"):
        run("pv", name)


def test_every_hypercall_of_the_table_has_a_counter() -> None:
    assert tuple(call.name for call in HYPERCALLS) == counter_groups.HYPERCALL_NAMES
