"""The devices of one PC: those that every machine has, and those that were attached to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hardware_model.devices import debug_exit, local_apic, uart
from hardware_model.devices.bus import Bus
from hardware_model.devices.debug_exit import DebugExit
from hardware_model.devices.device import Device
from hardware_model.devices.local_apic import LocalApic
from hardware_model.devices.uart import Uart

UNITS_PER_SECOND = 1_000_000_000
"""Virtual time: one unit, a retired instruction, counts as one nanosecond for every clock of the platform."""


@dataclass(slots=True)
class Platform:
    """The devices of one PC, physical or shown by a VMM: `bus` routes to them.

    `apic` is where the processor's interrupts come from; `further` holds the devices attached beyond those
    named. A device takes its time from `now` and calls `changed` when its next event has moved.
    """

    bus: Bus
    apic: LocalApic
    uart: Uart
    exit_port: DebugExit
    now: Callable[[], int]
    changed: Callable[[], None]
    further: list[Device] = field(default_factory=list)

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every device that can have events."""
        return (self.apic, self.uart, self.exit_port, *self.further)

    def attach(self, device: Device) -> None:
        """Add a device; the caller routes its ports and registers on `bus`."""
        self.further.append(device)
        self.changed()

    def next_event(self) -> int | None:
        """Virtual time of the first event due at any device, None when nothing is due."""
        events = (device.next_event() for device in self.devices)
        return min((event for event in events if event is not None), default=None)

    def advance(self) -> None:
        """Let happen at every device what is due now."""
        now = self.now()
        for device in self.devices:
            device.advance(now)


def new_platform(
    now: Callable[[], int],
    on_change: Callable[[], None],
    on_expiry: Callable[[], None],
    on_exit: Callable[[], None],
) -> Platform:
    """Local APIC, COM1 and debug exit at their places; the callables as in LocalApic and DebugExit."""
    bus, apic, com1, port = (
        Bus(),
        LocalApic(now, on_change, on_expiry),
        Uart(),
        DebugExit(on_exit),
    )
    bus.attach_registers(local_apic.BASE, local_apic.SIZE, apic)
    bus.attach_ports(uart.COM1, 8, com1)
    bus.attach_ports(debug_exit.PORT, 4, port)
    return Platform(bus, apic, com1, port, now, on_change)
