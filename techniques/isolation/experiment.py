"""One cell of the family isolation: attack, then ask the witnesses.

Protected, the attack must change and disclose nothing, the fault must be on record, and the victim must end as it does
alone. Unprotected, it must succeed, and the victim is not run on. The attacker itself sees the same in both, and
natively.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import workloads
from hardware_model import counters as counter_table
from hardware_model.mmu.geometry import TlbGeometry
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.tables import PAGE
from techniques import io_models, runner
from techniques.assignment import Fault
from techniques.isolation.attacks import ATTACKS, VICTIM, Attack, Protection, Target
from techniques.isolation.scene import ENGINE, Scene
from techniques.isolation.witness import Witness
from techniques.knobs import Value
from techniques.refusals import Refusal
from techniques.several import shared_machine
from techniques.several.round_robin import SLICE, RoundRobin

_TURN = 20 * SLICE
"""Long enough for an attacker that clears a block for its devices first: a watched turn costs the host time."""
_BYTES, _INTERRUPTS = "isolation.breach.bytes", "isolation.breach.interrupts"


def run(
    technique: str,
    workload: workloads.Workload | workloads.LinuxWorkload,
    size: str,
    settings: Mapping[str, Value],
    geometry: TlbGeometry,
    budget: int | None,
    *,
    protected: bool,
) -> runner.Outcome:
    """Run the attack beside a victim under the same technique; the outcome is the attacker's."""
    victim = workloads.find(VICTIM)
    attack = ATTACKS[workload.name]
    plans = [
        shared_machine.plan(technique, workload, size, settings, budget, _io(attack)),
        shared_machine.plan(technique, victim, "small", settings, None),
    ]
    # The target's machine address must not be an address of the attacker's own memory too.
    order = -1 if attack.target in (Target.OWN_VMM, Target.OWN_VMM_CODE) else 1
    host = RoundRobin(plans[::order], geometry, _TURN)
    attacker, other = host.machines[::order]
    scene = Scene(host, attack, attacker, other, protected=protected)
    witness = Witness(host, attacker, other) if protected else None
    while attacker.end is None or (protected and other.end is None):
        host.turn()
    breach = {_BYTES: scene.close(), _INTERRUPTS: scene.interrupts}
    faults = scene.assignment.faults()
    own, scopes = shared_machine.outcome(attacker), {}
    if witness:
        beside = shared_machine.outcome(other)
        scopes = {"beside.1": beside.counters_total}
        trouble = _leaks(scene, breach, faults, witness.changed)
        trouble = trouble or shared_machine.difference(beside, victim, "small")
    else:
        trouble = _failure(breach)
    if own.status == "ok" and trouble:
        own = replace(own, status="failed", reason=trouble)
    found = {name: value for name, value in breach.items() if value}
    found |= {"vtd.fault": len(faults)} if faults else {}
    return replace(
        own,
        counters_total=own.counters_total | found,
        counters_elsewhere={
            "machine": counter_table.as_dict(host.counters()) | found,
            **scopes,
        },
        notes=[*own.notes, *_records(faults, scene.refusals)],
    )


def _io(attack: Attack) -> str:
    """An attack on a ring needs one."""
    return io_models.PARAVIRTUAL if attack.protection is Protection.RINGS else io_models.EMULATED


def _leaks(scene: Scene, breach: Mapping[str, int], faults: list[Fault], changed: int) -> str:
    """What is wrong with a protected run; empty if nothing is. `changed`: bytes of the victim and its VMM."""
    if any(breach.values()):
        return f"the attack came through its protection: {_told(breach)}"
    if changed:
        return f"bytes of the victim's memory that changed while the attacker ran: {changed}"
    expected, refusals = scene.recorded, scene.refusals
    if isinstance(expected[0], FaultReason):
        found = [(fault.source_id, fault.reason, fault.where) for fault in faults]
        right = found == [(ENGINE, *expected)] and not refusals
    else:
        first = [(refusal.reason, refusal.address) for refusal in refusals[:1]]
        kinds = {(refusal.reason, refusal.address & -PAGE) for refusal in refusals}
        right = first == [expected] and len(kinds) == 1 and not faults
    return "" if right else f"on record is {_records(faults, refusals)}"


def _records(faults: list[Fault], refusals: list[Refusal]) -> list[str]:
    """What is on record, of each page that was refused the first access."""
    first = {(r.reason, r.address & -PAGE): r for r in reversed(refusals)}
    return [*map(str, faults), *map(str, reversed(first.values()))]


def _failure(breach: Mapping[str, int]) -> str:
    return "" if any(breach.values()) else "the attack did not succeed, though nothing stops it"


def _told(breach: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {value}" for name, value in breach.items() if value)
