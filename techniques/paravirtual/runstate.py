"""How long the virtual processor has been running and blocked, as the guest may ask (Xen public header `vcpu.h`)."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from techniques.paravirtual.abi import HypercallError
from techniques.paravirtual.linear_memory import LinearMemory


class State(IntEnum):
    """RUNSTATE_*."""

    RUNNING = 0
    RUNNABLE = 1
    BLOCKED = 2
    OFFLINE = 3


class Runstate:
    """The times of one virtual processor; `now` gives system time in nanoseconds."""

    def __init__(self, memory: LinearMemory, now: Callable[[], int]) -> None:
        self._memory = memory
        self._now = now
        self._state = State.RUNNING
        self._since = now()
        self._times = [0, 0, 0, 0]
        self._area: int | None = None

    def register(self, area: int) -> None:
        """Keep the record at linear address `area` up to date; HypercallError if it cannot be written."""
        self.store(area)
        self._area = area

    def store(self, address: int) -> None:
        """Write the record: state, when it was entered, and the time spent in each state."""
        self._memory.pack("IxxxxQ4Q", address, self._state, self._since, *self._times)

    def change(self, state: State) -> None:
        """Enter `state`. The guest's record follows when it runs again."""
        now = self._now()
        self._times[self._state] += now - self._since
        self._state, self._since = state, now
        if state is State.RUNNING and self._area is not None:
            try:
                self.store(self._area)
            except HypercallError:
                self._area = None  # no longer mapped
