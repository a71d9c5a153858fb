"""A machine that is saved at any point, wiped and restored goes on as if nothing had been: no counter differs."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest

import workloads
from hardware_model import counters as counter_table
from hardware_model import snapshot
from hardware_model.machine import End, Machine
from techniques import io_models, registry
from techniques.knobs import resolve
from techniques.runner import guest_image, outcome_parts
from techniques.technique import Technique
from tests.proofs.figures import counted

SHORT, LONG = 1, 10
BUDGET = 50_000_000
TECHNIQUES = ("native", "trap-and-emulate", "bt", "pv", "hvm-shadow", "hvm-ept")
PLAIN = ("kernel/fork-wait", "kernel/pipe", "exit/hlt-timer", "code/self-modifying")
DEVICES = ("io/disk-read", "io/network-receive", "io/network-transmit")
CELLS = [
    *((kind, name, "emulated") for kind in TECHNIQUES for name in PLAIN),
    *(
        (kind, name, io)
        for kind in TECHNIQUES
        for name in DEVICES
        for io in ("emulated", "paravirtual", "passthrough")
        if (kind == "pv") <= (io == "paravirtual") and (kind == "native") <= (io == "emulated")
    ),
]


def started(kind: str, workload: str, io: str) -> Technique:
    """The cell's guest, booted and not yet run."""
    technique = registry.find(kind)
    found = workloads.find(workload)
    settings = resolve(kind, technique.knobs, {})
    image = guest_image(found, "small", ported=technique.ported, ring1=technique.ring1(settings))
    machine = Machine(technique.vmm_bytes + image.ram_bytes + io_models.machine_bytes(io))
    guest = technique(machine, image, settings)
    io_models.connect(guest, io)
    guest.start()
    return guest


def finished(guest: Technique) -> dict[str, Any]:
    """Everything that counts, after running to the end."""
    end = guest.resume(BUDGET)
    guest.finish()
    machine = guest.machine
    return {
        "end": end,
        "now": machine.now,
        "outcome": outcome_parts(guest),
        **counter_table.as_dict(machine.profile.counters()),
    }


@cache
def uninterrupted(cell: tuple[str, str, str]) -> dict[str, Any]:
    """What the cell comes to by itself."""
    return finished(started(*cell))


def interrupted(cell: tuple[str, str, str], points: list[int], *, saved: bool) -> dict[str, Any]:
    """The same, paused at these virtual times and, if `saved`, with the machine saved, wiped and restored there."""
    guest = started(*cell)
    for point in points:
        if guest.resume(BUDGET, point) is not End.PAUSED:
            break
        if saved:
            state = snapshot.save(guest.machine)
            snapshot.restore(guest.machine, wiped(guest.machine))
            snapshot.restore(guest.machine, state)
            counted("saved and restored")
    return finished(guest)


def wiped(machine: Machine) -> snapshot.Snapshot:
    """The state of a machine of the same size that has done nothing, with the same devices attached."""
    return _power_on(machine.engine.ram_bytes, len(machine.platform.devices))


@cache
def _power_on(ram_bytes: int, devices: int) -> snapshot.Snapshot:
    machine = Machine(ram_bytes)
    assert len(machine.platform.devices) == devices
    return snapshot.save(machine)


def proves(cell: tuple[str, str, str], seed: int, most: int) -> None:
    """One set of random points."""
    chance, expected = random.Random(seed), uninterrupted(cell)
    points = sorted(chance.randrange(1, expected["now"]) for _ in range(chance.randint(1, most)))
    paused = interrupted(cell, points, saved=False)
    found = interrupted(cell, points, saved=True)
    assert differences(paused, found) == {}, points
    assert differences(expected, found).keys() <= {"blocks"}, points  # a pause cuts a block in two


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What differs, with both values."""
    names = one.keys() | other.keys()
    return {n: (one.get(n), other.get(n)) for n in names if one.get(n) != other.get(n)}


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_nothing_counts_differently_after_a_restore(cell: tuple[str, str, str]) -> None:
    assert uninterrupted(cell)["end"] is End.EXITED
    for seed in range(SHORT):
        proves(cell, seed, 3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1000, 1000 + LONG))
@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_nothing_counts_differently_after_many_restores(
    cell: tuple[str, str, str], seed: int
) -> None:
    proves(cell, seed, 40)
