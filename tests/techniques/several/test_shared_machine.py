"""VMs that share a machine end as they do alone, whatever runs beside them, and their counters add up."""

from __future__ import annotations

import itertools

import pytest

import workloads
from hardware_model import counters as counter_table
from hardware_model import presets
from techniques import UnknownKnob, names, run_guest
from techniques.several import RoundRobin, VirtualMachine, shared_machine
from techniques.several.round_robin import Plan

VMMS = [name for name in names() if name != "native"]
GEOMETRY = presets.load("nehalem").geometry
TIMED, PAGED = "exit/hlt-timer", "kernel/pipe"


def plan(technique: str, workload: str) -> Plan:
    return shared_machine.plan(technique, workloads.find(workload), "small", {}, None)


def alone(technique: str, workload: str) -> dict[str, str]:
    return run_guest(technique, workloads.find(workload), "small").outcome_parts


@pytest.fixture(scope="module")
def natively() -> dict[str, dict[str, str]]:
    return {workload: alone("native", workload) for workload in (TIMED, PAGED)}


def same(vm: VirtualMachine, native: dict[str, str]) -> bool:
    found = shared_machine.outcome(vm)
    return found.status == "ok" and found.outcome_parts.items() <= native.items()


@pytest.mark.parametrize(
    ("first", "second"), list(itertools.combinations_with_replacement(VMMS, 2))
)
def test_two_vms_end_as_their_workloads_do_natively(
    natively: dict[str, dict[str, str]], first: str, second: str
) -> None:
    host = RoundRobin([plan(first, PAGED), plan(second, TIMED)], GEOMETRY, units=7_001)
    host.run()
    paged, timed = host.machines
    assert same(paged, natively[PAGED])
    assert same(timed, natively[TIMED])


@pytest.mark.parametrize("units", [97, 1_000, 1_000_000])
def test_the_length_of_a_slice_is_invisible_and_counters_add_up(
    natively: dict[str, dict[str, str]], units: int
) -> None:
    kinds = ("bt", "hvm-ept", "pv")
    host = RoundRobin([plan(kind, TIMED) for kind in kinds], GEOMETRY, units=units)
    host.run()
    assert all(same(vm, natively[TIMED]) for vm in host.machines)
    total = counter_table.as_dict(host.counters())
    events = {
        c.name for c in counter_table.COUNTERS if host.machine.counters[counter_table.index(c.name)]
    }
    for name in events:
        assert total[name] == host.machine.counters[counter_table.index(name)], name
    each = [counter_table.as_dict(vm.counters()) for vm in host.machines]
    assert total["world.switch"] == sum(c["world.switch"] for c in each)
    for kind, counted in zip(kinds, each, strict=True):
        own = run_guest(kind, workloads.find(TIMED), "small").counters_total
        for name in ("instructions", "time.idle", "timer.expired", "exits", "traps"):
            assert counted.get(name, 0) == own.get(name, 0), (kind, name)


def test_vpids_let_translations_survive_a_world_switch() -> None:
    missed = {}
    for vpid in (True, False):
        plans = [
            shared_machine.plan("hvm-ept", workloads.find(PAGED), "small", {"vpid": vpid}, None)
            for _ in range(2)
        ]
        host = RoundRobin(plans, GEOMETRY, units=1_000)
        host.run()
        missed[vpid] = counter_table.as_dict(host.counters())["walk"]
    assert missed[True] < missed[False]


def test_a_cell_beside_others_reports_its_own_counters_and_the_machines() -> None:
    workload = workloads.find("nano/syscall")
    found = run_guest("hvm-ept", workload, "small", knobs={"beside": f"pv:{PAGED},bt:nano/syscall"})
    by_itself = run_guest("hvm-ept", workload, "small")
    assert found.status == "ok"
    assert found.outcome_parts == by_itself.outcome_parts
    assert found.counters_roi.get("exits") == by_itself.counters_roi.get("exits")
    assert found.instructions == by_itself.instructions
    scopes = found.counters_elsewhere
    assert set(scopes) == {"machine", "beside.1", "beside.2"}
    parts = (found.counters_total, scopes["beside.1"], scopes["beside.2"])
    assert scopes["machine"]["instructions"] == sum(part["instructions"] for part in parts)
    assert scopes["beside.1"]["hypercall.entries"] > 0


def test_a_neighbour_that_fails_fails_the_cell() -> None:
    found = run_guest(
        "hvm-ept",
        workloads.find("nano/syscall"),
        "small",
        knobs={"beside": "trap-and-emulate:sensitive/probe"},
    )
    assert found.status == "failed"
    assert "beside it, trap-and-emulate:sensitive/probe" in found.reason


@pytest.mark.parametrize("value", ["pv", "pv:", ":nano/syscall", "native:nano/syscall"])
def test_a_neighbour_is_a_vmm_and_a_workload(value: str) -> None:
    with pytest.raises(UnknownKnob, match="beside"):
        run_guest("bt", workloads.find("nano/syscall"), "small", knobs={"beside": value})


def test_an_endless_neighbour_ends_with_its_budget() -> None:
    plans = [plan("hvm-ept", PAGED), plan("hvm-ept", PAGED)]
    plans[1] = Plan(plans[1].kind, plans[1].image, plans[1].settings, 10_000)
    host = RoundRobin(plans, GEOMETRY, units=3_000)
    host.run()
    outcomes = [shared_machine.outcome(vm) for vm in host.machines]
    assert [found.status for found in outcomes] == ["ok", "failed"]
    assert "budget" in outcomes[1].reason


@pytest.mark.parametrize(("first", "second"), [("hvm-ept", "hvm-ept"), ("bt", "hvm-shadow")])
def test_each_vm_has_devices_of_its_own_assigned(first: str, second: str) -> None:
    disk, card = workloads.find("io/disk-read"), workloads.find("io/network-receive")
    native = [run_guest("native", w, "small").outcome_parts for w in (disk, card)]
    plans = [
        shared_machine.plan(first, disk, "small", {}, None, "passthrough"),
        shared_machine.plan(second, card, "small", {}, None, "passthrough"),
    ]
    host = RoundRobin(plans, GEOMETRY, units=5_003)
    host.run()
    for vm, expected in zip(host.machines, native, strict=True):
        found = shared_machine.outcome(vm)
        assert found.status == "ok", found.reason
        for part, value in found.outcome_parts.items():
            assert value == expected[part]
        assert found.counters_total["vtd.interrupt.remapped"] > 0
        assert found.counters_total["vtd.iotlb.hit"] > 0
    assert host.assignment.faults() == []


POSTED = {"passthrough.interrupts": "posted"}
WAYS = {
    "posted-ept": ("hvm-ept", "passthrough", POSTED),
    "posted-shadow": ("hvm-shadow", "passthrough", POSTED),
    "exiting": ("hvm-ept", "passthrough", {}),
    "bt": ("bt", "passthrough", {}),
    "pv": ("pv", "paravirtual", {}),
    "virtio": ("hvm-shadow", "paravirtual", {}),
    "emulated": ("trap-and-emulate", "emulated", {}),
}
MIXED = [
    *(("posted-ept", other) for other in WAYS),
    *(("posted-shadow", "bt"), ("bt", "pv"), ("exiting", "posted-shadow"), ("emulated", "bt")),
]


@pytest.mark.parametrize(("first", "second"), MIXED)
def test_two_vms_of_any_technique_and_io_model_do_what_each_does_alone(first, second) -> None:
    """The same outcome, to the bit, by the same events in the same number, with devices of their own."""
    todo = ((WAYS[first], "io/disk-read"), (WAYS[second], "io/network-receive@64"))
    plans = [
        shared_machine.plan(technique, workloads.find(name), "small", knobs, None, io)
        for (technique, io, knobs), name in todo
    ]
    host = RoundRobin(plans, GEOMETRY, units=4_001)
    host.run()
    for vm, ((technique, io, knobs), name) in zip(host.machines, todo, strict=True):
        found = shared_machine.outcome(vm)
        by_itself = run_guest(technique, workloads.find(name), "small", io=io, knobs=knobs)
        assert found.status == "ok", found.reason
        assert found.outcome_parts == by_itself.outcome_parts
        assert found.instructions == by_itself.instructions
        for counter in ("exits", "traps", "io.interrupt", "vmx.posted", "vtd.interrupt.posted"):
            assert found.counters_roi.get(counter, 0) == by_itself.counters_roi.get(counter, 0)
    assert host.assignment.faults() == []
