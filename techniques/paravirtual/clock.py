"""System time, the virtual processor's one-shot timer, and what else is due. A nanosecond is a unit of virtual time.

The hypervisor has the machine's APIC timer for all of it, and sets it to whatever comes first.
"""

from __future__ import annotations

from typing import Protocol

from hardware_model.machine import Machine
from techniques.virtual_platform import HOST_TIMER_VECTOR


class Timed(Protocol):
    """A back end that has things to do at certain times."""

    def next_event(self) -> int | None:
        """When, in virtual time; None: nothing."""

    def advance(self, now: int) -> None:
        """Let happen what is due."""


class SystemClock:
    """The domain's system time, the timer that set_timer_op arms, and the times of `timed` back ends."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.deadline: int | None = None
        self.timed: list[Timed] = []

    @property
    def now(self) -> int:
        """System time in nanoseconds."""
        return self._machine.now

    def arm(self, deadline: int | None) -> None:
        """Ask for an interrupt at system time `deadline`, at once if it has passed; None: for none."""
        self.deadline = deadline
        self.changed()

    def next_event(self) -> int | None:
        """What comes first of the guest's deadline and the back ends' times."""
        times = (self.deadline, *(timed.next_event() for timed in self.timed))
        return min((time for time in times if time is not None), default=None)

    def changed(self) -> None:
        """Set the machine's timer to what comes first."""
        first = self.next_event()
        if first is not None:
            self._machine.platform.apic.arm(first, HOST_TIMER_VECTOR)
            self._machine.set_deadline()

    def interrupt(self) -> bool:
        """Take the machine's timer interrupt, let back ends do what is due; whether the guest's deadline has passed."""
        apic = self._machine.platform.apic
        if apic.acknowledge() is not None:
            apic.end_of_interrupt()
        for timed in self.timed:
            timed.advance(self.now)
        expired = self.expired()
        self.changed()
        return expired

    def expired(self) -> bool:
        """Whether the deadline has been reached; if so the timer is off."""
        if self.deadline is None or self.now < self.deadline:
            return False
        self.deadline = None
        return True
