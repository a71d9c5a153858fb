"""Fixtures that boot and run small guests (see `small_guest`), on the bare machine and under techniques."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from hardware_model import boot, counters
from hardware_model.executor.registers import GPR_NAMES
from hardware_model.executor.words import Mode
from hardware_model.machine import End, Machine
from hardware_model.platform import Platform
from tests import distribution, freed_machines
from tests.proofs import figures, soak_time
from tests.small_guest import DATA, LOG, RAM, VA, SmallGuest


@dataclass(frozen=True)
class Record:
    """One event as its handler saw it."""

    vector: int
    error: int
    rip: int
    cs: int
    rflags: int
    rsp: int
    ss: int
    cr2: int
    time: int


@dataclass
class Run:
    """A guest on a machine, before, between and after runs."""

    guest: SmallGuest
    machine: Machine
    base: int  # machine address of guest-physical 0
    platform: Platform
    resume: Callable[[int | None], End]
    end: End | None = None
    markers: list[tuple[int, int]] = field(
        default_factory=list
    )  # low byte of the immediate, virtual time

    def run(self, budget: int | None = 1_000_000) -> Run:
        """Run to the end, or for `budget` units of virtual time."""
        self.end = self.resume(budget)
        return self

    @property
    def counters(self) -> dict[str, int]:
        """All counters."""
        return counters.as_dict(
            self.machine.profile.counters(), (c.name for c in counters.COUNTERS)
        )

    @property
    def records(self) -> list[Record]:
        """The events logged, in their order."""
        count = self.word(LOG)
        return [
            Record(*struct.unpack("<9Q", self.read(LOG + 128 * (i + 1), 72))) for i in range(count)
        ]

    @property
    def vectors(self) -> list[int]:
        """Their vectors."""
        return [record.vector for record in self.records]

    def gpr(self, name: str) -> int:
        """A general register."""
        return int(self.machine.registers.gpr[GPR_NAMES.index(name)])

    def read(self, linear: int, size: int) -> bytes:
        """Bytes of the kernel's part of guest memory."""
        return self.machine.memory.read(self.base + linear - VA, size)

    def word(self, linear: int) -> int:
        """A 64-bit word of the kernel's part of guest memory."""
        return int.from_bytes(self.read(linear, 8), "little")

    def data(self, offset: int = 0) -> int:
        """A 64-bit word of the page DATA."""
        return self.word(DATA + offset)

    @property
    def spent(self) -> int:
        """Virtual time from the first region marker to the last, the first marker included."""
        return self.markers[-1][1] - self.markers[0][1]


def boot_native(guest: SmallGuest) -> Run:
    """The guest on the bare machine, loaded but not started."""
    machine = Machine(RAM)
    machine.load_state(boot.load(machine.memory, RAM, guest.image, []))
    return Run(guest, machine, 0, machine.platform, lambda budget: machine.run(Mode.BARE, budget))


def boot_technique(name: str, guest: SmallGuest, **knobs: Any) -> Run:
    """The guest under a technique, loaded but not started."""
    from techniques.guest import GuestImage
    from techniques.hvm import TECHNIQUES
    from techniques.knobs import resolve

    kind = next(technique for technique in TECHNIQUES if technique.name == name)
    machine = Machine(kind.vmm_bytes + RAM)
    vmm = kind(machine, GuestImage(guest.image, [], {}, RAM), resolve(name, kind.knobs, knobs))
    return Run(guest, machine, kind.vmm_bytes, vmm.platform, vmm.run)


@pytest.fixture
def boot_guest() -> Callable[..., Run]:
    """Makes runs: `boot_guest(text, technique="native", knobs={}, **SmallGuest's arguments)`."""

    def make(
        text: str, technique: str = "native", knobs: Mapping[str, Any] | None = None, **rest: Any
    ) -> Run:
        guest = SmallGuest(text, **rest)
        run = (
            boot_native(guest)
            if technique == "native"
            else boot_technique(technique, guest, **(knobs or {}))
        )
        run.machine.on_marker = lambda immediate: run.markers.append(
            (immediate & 0xFF, run.machine.now)
        )
        return run

    return make


@pytest.fixture
def run_guest(boot_guest: Callable[..., Run]) -> Callable[..., Run]:
    """As `boot_guest`, and runs the guest to its end, which must be guest status 0."""

    def run(text: str, **rest: Any) -> Run:
        result = boot_guest(text, **rest).run()
        assert (result.end, result.platform.exit_port.status) == (End.EXITED, 0)
        return result

    return run


def pytest_configure(config: pytest.Config) -> None:
    """Have the proofs' figures printed, by whichever process prints, machines freed, and long tests begun first."""
    config.pluginmanager.register(distribution, "distribution")
    config.pluginmanager.register(freed_machines, "freed machines")
    config.pluginmanager.register(figures, "figures")
    config.pluginmanager.register(soak_time, "time of a soak")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(figures.FromWorkers(), "figures of workers")
        config.pluginmanager.register(distribution.Distribution(), "distribution to workers")
