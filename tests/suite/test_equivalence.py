"""The guest cannot tell: hardware-assisted runs of a binary end as the native run does, to the last bit of memory."""

from __future__ import annotations

import pytest

from techniques.io_models.paravirtual import COMPARED


def compared(workload: str, parts: dict[str, str]) -> dict[str, str]:
    """What must be as natively: everything, but of an attack on a ring, whose devices are not there natively."""
    if workload.startswith("isolation/ring"):
        return {name: parts[name] for name in COMPARED}
    return parts


def test_every_workload_ends_well_natively(run, workload):
    outcome = run("native", workload)
    assert outcome.status == "ok", outcome.reason
    assert outcome.guest_status == 0


def test_ept_leaves_memory_registers_and_console_as_native_does(run, workload):
    native, virtual = run("native", workload), run("hvm-ept", workload)
    assert virtual.status == "ok", virtual.reason
    assert virtual.outcome_parts == compared(workload, native.outcome_parts)


def test_shadow_paging_leaves_memory_registers_and_console_as_native_does(run, workload, policy):
    native, virtual = run("native", workload), run("hvm-shadow", workload, policy)
    assert virtual.status == "ok", virtual.reason
    assert virtual.outcome_parts == compared(workload, native.outcome_parts)


def test_the_same_instructions_retire_under_every_technique(run, workload):
    if workload.startswith(("isolation/foreign-frame", "isolation/into-vmm", "isolation/ring")):
        pytest.skip("natively there is no other guest's memory, so that the attack is not tried")
    native = run("native", workload)
    for technique in ("hvm-ept", "hvm-shadow"):
        assert run(technique, workload).instructions == native.instructions
