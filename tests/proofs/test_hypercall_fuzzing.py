"""A guest that makes random hypercalls harms neither the process that runs it nor another VM, and ends with a sentence."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

import workloads
from hardware_model import presets
from techniques import registry, run_guest
from techniques.knobs import resolve
from techniques.paravirtual.hypercall_table import HYPERCALLS
from techniques.paravirtual.page_tables import PageTables
from techniques.several import RoundRobin, shared_machine
from techniques.several.round_robin import Plan
from tests.proofs import hypercall_fuzzing
from tests.proofs.figures import counted
from tests.proofs.watched_process import watch

VICTIM, GEOMETRY = "exit/hlt-timer", presets.load("nehalem").geometry
MOST_GROWTH_MIB = 32  # of a process, whatever its guests ask for


def fuzz(first: int, count: int) -> None:
    came_to = watch(hypercall_fuzzing.__name__, first, count, MOST_GROWTH_MIB)
    made = Counter(came_to["calls"])
    assert set(made) >= {call.name for call in HYPERCALLS} - {"iret", "sched_op"}
    counted("hypercall fuzzing: guests", count)
    counted("hypercall fuzzing: hypercalls", made.total())


def test_hypercalls_at_random_harm_nobody() -> None:
    fuzz(0, 24)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 3000, 50))
def test_millions_of_hypercalls_at_random_harm_nobody(first: int) -> None:
    fuzz(first, 50)


def test_a_hypervisor_that_maps_whatever_is_asked_for_is_caught(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(PageTables, "_reference_page", lambda self, entry: None)
    monkeypatch.setattr(PageTables, "_unreference", lambda self, level, entry: None)
    with pytest.raises(AssertionError, match=r"seed \d+"):
        for seed in range(100):
            hypercall_fuzzing.run(seed)


@pytest.mark.parametrize(("seed", "victim"), list(enumerate(("hvm-ept", "pv", "bt", "hvm-shadow"))))
def test_a_vm_beside_does_not_notice(seed: int, victim: str) -> None:
    kind, natively = registry.find("pv"), run_guest("native", workloads.find(VICTIM), "small")
    image = hypercall_fuzzing.image(Random(seed), kind.vmm_bytes >> 12)
    hostile = Plan(kind, image, resolve("pv", kind.knobs, {}), hypercall_fuzzing.BUDGET)
    neighbour = shared_machine.plan(victim, workloads.find(VICTIM), "small", {}, None)
    host = RoundRobin([hostile, neighbour], GEOMETRY, units=1_501)
    host.run()
    assert host.machines[0].end is not None
    found = shared_machine.outcome(host.machines[1])
    assert (found.status, found.reason) == ("ok", "")
    assert found.outcome_parts.items() <= natively.outcome_parts.items()
    counted("hypercall fuzzing: beside a victim")
