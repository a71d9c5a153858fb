"""System time and the one-shot timer of the virtual processor. One nanosecond is one unit of virtual time."""

from __future__ import annotations

from hardware_model.machine import Machine
from techniques.virtual_platform import HOST_TIMER_VECTOR


class SystemClock:
    """The domain's system time, and the timer that set_timer_op arms."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.deadline: int | None = None

    @property
    def now(self) -> int:
        """System time in nanoseconds."""
        return self._machine.now

    def arm(self, deadline: int | None) -> None:
        """Ask for an interrupt at system time `deadline`, at once if it has passed; None: for none."""
        self.deadline = deadline
        if deadline is not None:
            self._machine.platform.apic.arm(deadline, HOST_TIMER_VECTOR)
            self._machine.set_deadline()

    def acknowledge(self) -> None:
        """Take the machine's timer interrupt at its controller."""
        apic = self._machine.platform.apic
        if apic.acknowledge() is not None:
            apic.end_of_interrupt()

    def expired(self) -> bool:
        """Whether the deadline has been reached; if so the timer is off."""
        if self.deadline is None or self.now < self.deadline:
            return False
        self.deadline = None
        return True
