"""The devices that a VMM shows its guest, kept in step with virtual time through the physical timer.

The VMM programs the machine's local APIC timer (one shot) for the virtual devices' next event; the physical interrupt
brings control back to the VMM exactly there.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model import counters as counter_table
from hardware_model.devices.local_apic import LocalApic
from hardware_model.machine import End, Machine
from hardware_model.platform import Ends, NewApic, Platform, new_platform

HOST_TIMER_VECTOR = 0xEF
_PORT, _MMIO = counter_table.index("device.port"), counter_table.index("device.mmio")
_TIMER_EXPIRED = counter_table.index("timer.expired")


class VirtualPlatform:
    """Virtual local APIC, UART and debug exit of one guest, and the host timer that drives them."""

    def __init__(self, machine: Machine, new_apic: NewApic = LocalApic) -> None:
        self._machine = machine
        self._counters = machine.counters.data
        self.devices: Platform = new_platform(
            lambda: machine.now,
            lambda: None,  # the VMM asks for deliverable interrupts before each entry
            self._moved,
            self._expired,
            Ends(
                lambda: machine.end(End.EXITED),
                lambda: machine.end(End.RESET),
                lambda: machine.end(End.POWERED_OFF),
            ),
            new_apic,
        )
        self.apic = self.devices.apic
        self._stale = True
        self._armed: int | None = None
        self.host_vectors: dict[
            int, Callable[[], None]
        ] = {}  # of the devices assigned to the guest

    def _moved(self) -> None:
        self._stale = True

    def _expired(self) -> None:
        self._counters[_TIMER_EXPIRED] += 1

    def read_port(self, port: int, size: int) -> int:
        """Serve an IN."""
        self._counters[_PORT] += 1
        return self.devices.bus.read_port(port, size)

    def write_port(self, port: int, size: int, value: int) -> None:
        """Serve an OUT."""
        self._counters[_PORT] += 1
        self.devices.bus.write_port(port, size, value)

    def read(self, address: int, size: int) -> int:
        """Serve a load from a device register."""
        self._counters[_MMIO] += 1
        return self.devices.bus.read(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Serve a store to a device register."""
        self._counters[_MMIO] += 1
        self.devices.bus.write(address, size, value)

    def host_interrupt(self, vector: int | None = None) -> None:
        """Take the physical interrupt at the machine's APIC, unless an exit has acknowledged `vector` already: a
        device's is passed on, the timer's brings the virtual devices up to date.
        """
        physical = self._machine.platform.apic
        if vector is None:
            vector = physical.acknowledge()
        if vector is not None:
            physical.end_of_interrupt()
        action = self.host_vectors.get(vector or 0)
        if action is not None:
            action()
            return
        self._armed = None
        self.advance()

    def advance(self) -> None:
        """Let the virtual devices' events that are due happen."""
        self.devices.advance()
        self._stale = True

    def arm(self) -> None:
        """Program the physical timer for the virtual devices' next event, if that has changed."""
        if not self._stale:
            return
        self._stale = False
        deadline = self.devices.next_event()
        if deadline is None or deadline == self._armed:
            return
        self._armed = deadline
        self._machine.platform.apic.arm(deadline, HOST_TIMER_VECTOR)
        self._machine.set_deadline()

    def wait(self) -> bool:
        """The guest is halted: idle until its APIC has an interrupt to deliver. False if none will ever come."""
        while not self.apic.deliverable:
            self.arm()
            nothing_due = self._armed is None and not self.host_vectors
            if nothing_due or not self._machine.idle():
                return False
            if not self._machine.running:
                return True
            self.host_interrupt()
        return True
