"""Workloads that do not depend on a misbehaving instruction run as natively; others end in good order."""

from __future__ import annotations

from typing import Any

import pytest

import workloads
from hardware_model import counters
from hardware_model.machine import Machine
from techniques.knobs import resolve
from techniques.native import Native
from techniques.runner import guest_image, outcome_parts
from techniques.technique import Technique
from techniques.trap_and_emulate import TrapAndEmulate

FAITHFUL = (
    "compute/quicksort",
    "exit/cpuid",
    "exit/hlt-timer",
    "exit/mmio",
    "exit/mov-cr3",
    "exit/self-ipi",
    "memory/page-table-churn",
    "memory/pointer-chase@4m-2m",
    "nano/cr8wr",
    "nano/divzero",
    "nano/pgfault",
    "nano/ptemod-np-to-p",
)
MISLED = {"sensitive/flags": "PUSHF and POPF", "exit/popf": "PUSHF and POPF", "exit/lgdt": "SGDT"}


def run(kind: type[Technique], name: str, **knobs: str) -> Any:
    image = guest_image(workloads.find(name), "small")
    machine = Machine(kind.vmm_bytes + image.ram_bytes)
    settings = resolve(kind.name, kind.knobs, {k.replace("_", "."): v for k, v in knobs.items()})
    guest = kind(machine, image, settings)
    guest.run(100_000_000)
    return guest


def counter(guest: Any, name: str) -> int:
    return int(guest.machine.profile.counters()[counters.index(name)])


@pytest.mark.parametrize("name", FAITHFUL)
def test_a_workload_without_critical_instructions_runs_as_natively(name: str) -> None:
    native, guest = run(Native, name), run(TrapAndEmulate, name)
    assert outcome_parts(guest) == outcome_parts(native)
    assert guest.machine.instructions == native.machine.instructions


@pytest.mark.parametrize("policy", ["virtual-tlb", "unsync"])
def test_every_shadow_paging_policy_keeps_the_outcome(policy: str) -> None:
    native = run(Native, "memory/page-table-churn")
    guest = run(TrapAndEmulate, "memory/page-table-churn", shadow_policy=policy)
    assert outcome_parts(guest) == outcome_parts(native)


@pytest.mark.parametrize("name", MISLED)
def test_a_workload_that_depends_on_a_critical_instruction_diverges_and_ends(name: str) -> None:
    native, guest = run(Native, name), run(TrapAndEmulate, name)
    assert native.platform.exit_port.status == 0
    assert guest.platform.exit_port.status is not None
    assert outcome_parts(guest)["memory"] != outcome_parts(native)["memory"]


@pytest.mark.parametrize("name", ["nano/syscall", "nano/pgfault", "exit/hlt-timer"])
def test_traps_add_up(name: str) -> None:
    guest = run(TrapAndEmulate, name)
    vectors = sum(
        counter(guest, f"trap.{c}") for c in ("de", "ud", "np", "ss", "gp", "pf", "db", "nm")
    )
    others = counter(guest, "trap.interrupt") + counter(guest, "trap.syscall")
    assert counter(guest, "traps") == vectors + others
    found = ("mmu.pf_fixed", "mmu.pf_guest", "mmu.pf_write_protect", "mmu.pf_mmio")
    assert (
        counter(guest, "trap.pf")
        == counter(guest, "mmu.pf_total")
        == sum(counter(guest, n) for n in found)
    )


def test_the_null_system_call_takes_one_trap_in_and_one_out() -> None:
    guest = run(TrapAndEmulate, "nano/syscall")
    calls = counter(guest, "syscall")
    assert calls > 10_000
    assert counter(guest, "trap.syscall") == calls
    assert (
        sum(n for (name, _), n in guest.hot_exits.items() if name == "sysretq") == calls - 1
    )  # the last is exit


def test_a_hidden_fault_counts_no_event_for_the_guest() -> None:
    guest = run(TrapAndEmulate, "nano/pgfault")
    reflected = counter(guest, "mmu.pf_guest") + counter(guest, "trap.syscall")
    assert counter(guest, "trap.reflected") >= reflected
    assert counter(guest, "trap.reflected") < counter(guest, "traps")
