"""One cell whose VM shares its machine: what became of it, and whether its neighbours noticed.

Every neighbour must come to what its workload comes to natively, on a machine of its own, or the cell fails.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import workloads
from hardware_model import counters as counter_table
from hardware_model.mmu.geometry import TlbGeometry
from techniques import io_models, runner
from techniques.knobs import Value, resolve
from techniques.registry import find
from techniques.registry import knobs as declared_knobs
from techniques.several.beside import Neighbour
from techniques.several.round_robin import Plan, RoundRobin
from techniques.several.virtual_machine import VirtualMachine

_NATIVELY: dict[tuple[str, str, str], dict[str, str]] = {}


def run(
    technique: str,
    workload: workloads.Workload | workloads.LinuxWorkload,
    size: str,
    io: str,
    settings: Mapping[str, Value],
    beside: Sequence[Neighbour],
    geometry: TlbGeometry,
    budget: int | None,
) -> runner.Outcome:
    """Run the cell's VM and its neighbours to their ends; the outcome is the cell's own."""
    others = [workloads.find(neighbour.workload) for neighbour in beside]
    plans = [plan(technique, workload, size, settings, budget, io)]
    for neighbour, other in zip(beside, others, strict=True):
        plans.append(plan(neighbour.technique, other, size, {}, budget))
    host = RoundRobin(plans, geometry)
    host.run()
    outcomes = [outcome(vm) for vm in host.machines]
    own = outcomes[0]
    scopes = {"machine": counter_table.as_dict(host.counters())}
    troubles = []
    for number, (neighbour, other) in enumerate(zip(beside, others, strict=True), 1):
        scopes[f"beside.{number}"] = outcomes[number].counters_total
        if trouble := difference(outcomes[number], other, size):
            troubles.append(f"beside it, {neighbour} {trouble}")
    if own.status == "ok" and troubles:
        own = replace(own, status="failed", reason="; ".join(troubles))
    return replace(own, counters_elsewhere=scopes)


def plan(
    technique: str,
    workload: workloads.Workload | workloads.LinuxWorkload,
    size: str,
    settings: Mapping[str, Value],
    budget: int | None,
    io: str = io_models.EMULATED,
) -> Plan:
    """A VM for `workload` under `technique`; Skipped if that makes no sense."""
    kind = find(technique)
    kind.check(workload, size)
    io_models.check(kind, workload, io)
    chosen = resolve(technique, tuple(declared_knobs(technique).values()), settings)
    image = runner.guest_image(workload, size, ported=kind.ported, ring1=kind.ring1(chosen))
    units = budget or workload.budget or runner.DEFAULT_BUDGET
    return Plan(kind, image, chosen, units, io)


def outcome(vm: VirtualMachine) -> runner.Outcome:
    """What became of a VM that has ended."""
    assert vm.end is not None
    vm.visit()
    status, reason = ("failed", vm.failure) if vm.failure else runner.verdict(vm.end, vm.guest)
    total = vm.counters()
    found = runner.outcome_of(vm.guest, status, reason, vm.region.counters(total), total)
    vm.leave()
    return found


def difference(
    found: runner.Outcome, workload: workloads.Workload | workloads.LinuxWorkload, size: str
) -> str:
    """How a neighbour's outcome differs from its workload's native one; empty if it does not."""
    if found.status != "ok":
        return f"ended: {found.reason}"
    native = _native_parts(workload, size)
    parts = [part for part, value in found.outcome_parts.items() if native[part] != value]
    return f"differs from native in {' and '.join(parts)}" if parts else ""


def _native_parts(
    workload: workloads.Workload | workloads.LinuxWorkload, size: str
) -> dict[str, str]:
    """What the workload comes to natively, which is run once for all the neighbours of a process."""
    key = workload.name, workload.digest, size
    if key not in _NATIVELY:
        _NATIVELY[key] = runner.run_guest("native", workload, size).outcome_parts
    return _NATIVELY[key]
