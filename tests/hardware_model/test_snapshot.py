"""A run that goes on from a snapshot, on another machine, counts and ends as one that never stopped."""

from __future__ import annotations

import pytest

import workloads
from hardware_model import counters as counter_table
from hardware_model import snapshot
from hardware_model.executor.words import Mode
from hardware_model.machine import End, Machine
from techniques.native import Native
from techniques.runner import guest_image, memory_digest


def started(workload: str) -> Native:
    """A native guest, loaded and not yet run."""
    image = guest_image(workloads.find(workload), "small")
    machine = Machine(image.ram_bytes)
    guest = Native(machine, image, {})
    machine.load_state(image.load(guest.memory))
    return guest


def finished(guest: Native) -> tuple[object, ...]:
    """Run to the end; everything that counts."""
    machine = guest.machine
    end = machine.run(Mode.BARE, 10_000_000)
    counters = counter_table.as_dict(machine.profile.counters())
    return (
        end,
        machine.now,
        counters,
        memory_digest(guest),
        guest.guest_registers(),
        bytes(machine.platform.uart.output),
    )


@pytest.mark.parametrize(
    "workload", ["kernel/fork-wait", "exit/hlt-timer", "nano/pgfault", "code/self-modifying"]
)
@pytest.mark.parametrize("at", [1, 5_000, 9_011])
def test_a_restored_machine_goes_on_as_the_saved_one(workload: str, at: int) -> None:
    guest = started(workload)
    assert guest.machine.run(Mode.BARE, at) is End.BUDGET
    saved = snapshot.save(guest.machine)
    other = started("compute/sieve")
    other.machine.run(Mode.BARE, 3_000)
    snapshot.restore(other.machine, saved)
    expected = finished(guest)
    assert expected[0] is End.EXITED
    assert finished(other) == expected


def test_a_machine_of_another_size_refuses_the_snapshot() -> None:
    saved = snapshot.save(Machine(8 << 20))
    with pytest.raises(ValueError, match="same memory size"):
        snapshot.restore(Machine(16 << 20), saved)
