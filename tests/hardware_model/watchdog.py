"""A device that raises the NMI pin."""

from __future__ import annotations

from hardware_model.machine import Machine
from hardware_model.platform import Platform


class Watchdog:
    """A device on `platform` that raises the NMI pin of `machine` once, at virtual time `due`."""

    def __init__(self, machine: Machine, platform: Platform, due: int) -> None:
        self._machine = machine
        self._due: int | None = due
        platform.attach(self)
        platform.nmi_sources.append(self)

    def next_event(self) -> int | None:
        return self._due

    def advance(self, now: int) -> None:
        if self._due is not None and now >= self._due:
            self._due = None
            self._machine.engine.raise_nmi()
