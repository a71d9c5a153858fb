"""A guest whose rings say anything harms neither the process that runs it nor another VM, and ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from hardware_model.devices.dma import DmaBlocked
from techniques.io_models import EMULATED, PARAVIRTUAL, PASSTHROUGH
from techniques.io_models.modelled_path import ModelledPath
from techniques.isolation.believing import UncheckedMemory, believe
from techniques.technique import Technique
from tests.proofs import ring_forgery
from tests.proofs.figures import counted
from tests.proofs.forgery_beside import Beside
from tests.proofs.watched_process import watch

MOST_GROWTH_MIB = 48  # of a process, whatever its guests' rings say
GUESTS = {PARAVIRTUAL: 20, EMULATED: 6, PASSTHROUGH: 6}
VICTIMS = ("hvm-ept", "pv", "bt", "hvm-shadow")
HOSTILE = [(io, name) for io, names in ring_forgery.TECHNIQUES.items() for name in names]
BESIDE = [
    (PARAVIRTUAL, "hvm-ept", "hvm-ept"),
    (PARAVIRTUAL, "pv", "hvm-shadow"),
    (EMULATED, "hvm-shadow", "pv"),
    (EMULATED, "bt", "hvm-ept"),
    (PASSTHROUGH, "hvm-ept", "bt"),
    (PASSTHROUGH, "trap-and-emulate", "pv"),
]
"""The soak has every one of these beside every victim."""


def forge(first: int, count: int, io: str) -> None:
    came_to = watch(ring_forgery.__name__, first, count, MOST_GROWTH_MIB, io)
    assert came_to["refused"] > count // 4  # what is forged is looked at
    counted(f"ring forgery, {io}: guests", count)
    counted(f"ring forgery, {io}: refusals", came_to["refused"])
    counted(f"ring forgery, {io}: forged requests and words", came_to["forged"])


@pytest.mark.parametrize("io", GUESTS)
def test_forged_rings_harm_nobody(io: str) -> None:
    forge(0, GUESTS[io], io)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("first", "io"), list(itertools.product(range(1000, 5000, 200), ring_forgery.TECHNIQUES))
)
def test_thousands_of_guests_with_forged_rings_harm_nobody(first: int, io: str) -> None:
    forge(first, 200, io)


def beside(seed: int, io: str, name: str, victim: str) -> None:
    both = Beside(seed, io, name, victim)
    assert both.run()
    assert both.forged > 50
    counted("ring forgery: guests beside a victim")
    counted("ring forgery: forged requests and words beside a victim", both.forged)


@pytest.mark.parametrize(("io", "name", "victim"), BESIDE)
def test_a_vm_beside_forged_rings_does_not_notice(io: str, name: str, victim: str) -> None:
    beside(1, io, name, victim)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_no_vm_beside_forged_rings_notices(seed: int) -> None:
    for (io, name), victim in itertools.product(HOSTILE, VICTIMS):
        beside(seed, io, name, victim)


def believing_back_end(guest: Technique) -> None:
    """Its own array, of which it runs over the end, and the frames that a grant names, lie in another VM's memory."""
    believe(guest, guest.memory.base + guest.memory.size + ring_forgery.OTHER_BYTES // 2)


def believing_model(guest: Technique) -> None:
    """The model of a device adds what a descriptor says to where the guest begins."""
    memory = guest.memory
    path = ModelledPath(guest, UncheckedMemory(guest.machine.memory, memory.base, memory.size))
    for device in guest.platform.further:
        for function in getattr(device, "functions", {}).values():
            function.path = path


class Endless:
    """A remapping unit whose domain does not end with the guest's memory."""

    def __init__(self, guest: Technique) -> None:
        self._memory, self._base = guest.machine.memory, guest.memory.base
        self.message = guest.machine.remapping.message

    def read(self, source_id: int, address: int, size: int) -> bytes:
        try:
            return self._memory.read(self._base + address, size)
        except IndexError as error:
            raise DmaBlocked from error

    def write(self, source_id: int, address: int, data: bytes) -> None:
        try:
            self._memory.write(self._base + address, data)
        except IndexError as error:
            raise DmaBlocked from error


def endless_domain(guest: Technique) -> None:
    """See `Endless`."""
    guest.machine.dma.through = Endless(guest)


# Seeds from a little before the first that shows it: what is broken shows only where a buffer lies beyond the guest's end.


@pytest.mark.parametrize(
    ("io", "broken", "first"),
    [
        (PARAVIRTUAL, believing_back_end, 0),
        (EMULATED, believing_model, 11),
        (PASSTHROUGH, endless_domain, 27),
    ],
)
def test_who_believes_a_ring_is_caught(
    io: str, broken: Callable[[Technique], None], first: int
) -> None:
    with pytest.raises(AssertionError, match="another VM's memory changed"):
        for seed in range(first, first + 100):
            ring_forgery.run(seed, io, broken)


@pytest.mark.parametrize(
    ("io", "broken", "first"),
    [(EMULATED, believing_model, 12), (PASSTHROUGH, endless_domain, 3)],
)
def test_who_believes_a_ring_is_caught_by_the_memory_of_its_victim(
    io: str, broken: Callable[[Technique], None], first: int
) -> None:
    with pytest.raises(AssertionError, match="victim's memory changed"):
        for seed in range(first, first + 40):
            both = Beside(seed, io, "hvm-ept", "hvm-ept")
            broken(both.hostile.guest)
            both.run()
