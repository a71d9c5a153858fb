"""A guest with forged rings and a victim in turns on one machine; the victim's memory is looked at around each of its turns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import workloads
from hardware_model import presets
from hardware_model.machine import End
from hardware_model.resident_pages import resident
from techniques import registry, run_guest
from techniques.guest_errors import GUEST_ERRORS
from techniques.io_models import PARAVIRTUAL
from techniques.runner import guest_image
from techniques.several import RoundRobin, shared_machine
from techniques.several.round_robin import Plan
from techniques.several.virtual_machine import VirtualMachine
from tests.proofs import ring_forgery
from tests.proofs.device_rings import PAGE, Forger

VICTIM, GEOMETRY, UNITS = "exit/hlt-timer", presets.load("nehalem").geometry, 1_999

LOOKS_EVERY = 6
"""Turns of the hostile guest, around one of which the victim's memory is looked at; its outcome tells of all."""


class Beside:
    """The guest of `seed` under technique `name` with I/O model `io`, beside a victim under technique `victim`.

    `run` raises AssertionError if the victim noticed: its outcome is not the native one, or a byte of its VMM's or its
    own memory changed while the other had the processor.
    """

    def __init__(self, seed: int, io: str, name: str, victim: str) -> None:
        self._chance, self._io = Random(seed), io
        self._forged = self._turns = 0
        workload = workloads.find(self._chance.choice(ring_forgery.WORKLOADS))
        kind = registry.find(name)
        knobs = ring_forgery.settings(name, io, self._chance)
        image = guest_image(workload, "small", ported=kind.ported)
        hostile = Plan(kind, image, knobs, ring_forgery.BUDGET[io], io)
        neighbour = shared_machine.plan(victim, workloads.find(VICTIM), "small", {}, None)
        self.host = RoundRobin([hostile, neighbour], GEOMETRY, UNITS)
        self.host.around = self._watched
        self.hostile, self.victim = self.host.machines
        self._forger = None if io == PARAVIRTUAL else self._attach()

    def _attach(self) -> Forger:
        self.hostile.visit()
        forger = Forger(self.hostile.guest, self._chance)
        self.hostile.leave()
        return forger

    @property
    def forged(self) -> int:
        """Forged requests and words."""
        return self._forger.forged if self._forger else self._forged

    @contextmanager
    def _watched(self, vm: VirtualMachine) -> Iterator[None]:
        if vm is self.victim:
            yield
            return
        self._turns += 1
        looks = self._turns % LOOKS_EVERY == 0
        before = self._victims_memory() if looks else None
        yield
        if self._forger is None:
            self._forge()
        changed = looks and self._victims_memory() != before
        assert not changed, "the victim's memory changed while it did not run"

    def _victims_memory(self) -> tuple[bytes, bytes]:
        """Which of its pages hold anything, and what: the rest are zeros."""
        part = self.victim.partition
        memory = self.host.machine.engine.ram[part.base : part.end]
        held = resident(memory)
        return held.tobytes(), memory.reshape(-1, PAGE)[held].tobytes()

    def _forge(self) -> None:
        self.hostile.visit()
        try:
            goes_on = self.hostile.end is None
            self._forged += ring_forgery.forge(self.hostile.guest, self._chance, goes_on=goes_on)
        except GUEST_ERRORS as error:
            self.hostile.end, self.hostile.failure = End.REQUESTED, str(error)
        finally:
            self.hostile.leave()

    def run(self) -> str:
        """Run both to their ends; how the hostile guest ended."""
        self.host.run()
        assert self.hostile.end is not None
        assert "\n" not in self.hostile.failure
        found = shared_machine.outcome(self.victim)
        natively = run_guest("native", workloads.find(VICTIM), "small")
        assert (found.status, found.reason) == ("ok", "")
        assert found.outcome_parts.items() <= natively.outcome_parts.items()
        return self.hostile.failure or self.hostile.end.value
