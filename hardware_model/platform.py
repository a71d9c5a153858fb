"""The devices of one PC: those that every machine has, and those that were attached to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from hardware_model.devices import cmos, debug_exit, i8254, local_apic, power, uart
from hardware_model.devices.bus import Bus
from hardware_model.devices.cmos import Cmos
from hardware_model.devices.debug_exit import DebugExit
from hardware_model.devices.device import Device, Untimed
from hardware_model.devices.i8254 import I8254
from hardware_model.devices.i8259 import MASTER, SLAVE, InterruptControllers
from hardware_model.devices.local_apic import LocalApic
from hardware_model.devices.power import PowerControl
from hardware_model.devices.uart import Uart

_TIMER_IRQ = 0
UNITS_PER_SECOND = 1_000_000_000
"""Virtual time: one unit, a retired instruction, counts as one nanosecond for every clock of the platform."""


NewApic = Callable[
    [Callable[[], int], Callable[[], None], Callable[[], None], Callable[[], None]], LocalApic
]


@dataclass(slots=True)
class Platform:
    """The devices of one PC, physical or shown by a VMM: `bus` routes to them.

    `apic` is where the processor's interrupts come from, those of `interrupts` (whose `line` a device raises) by its
    LINT0; `further` holds the devices attached beyond those named, `nmi_sources` those of them whose events may raise
    the processor's NMI pin (none of the model's own does). A device takes its time from `now` and calls `changed` when
    its next event has moved, which is passed on to `on_move`.
    """

    bus: Bus
    apic: LocalApic
    uart: Uart
    exit_port: DebugExit
    interrupts: InterruptControllers
    timer: I8254
    clock: Cmos
    power: PowerControl
    now: Callable[[], int]
    on_move: Callable[[], None]
    further: list[Device] = field(default_factory=list)
    nmi_sources: list[Device] = field(default_factory=list)
    _kept: tuple[int, tuple[Device, ...]] | None = field(default=None, init=False)
    _others: int | None = field(default=None, init=False)  # first event of all devices but the APIC
    _known: bool = field(default=False, init=False)  # whether that is so

    @property
    def devices(self) -> tuple[Device, ...]:
        """Every device."""
        return (
            self.apic,
            self.uart,
            self.exit_port,
            self.interrupts,
            self.timer,
            self.clock,
            self.power,
            *self.further,
        )

    def changed(self) -> None:
        """The next event of a device has moved."""
        self._known = False
        self.on_move()

    def attach(self, device: Device) -> None:
        """Add a device; the caller routes its ports and registers on `bus`."""
        self.further.append(device)
        self.changed()

    def next_event(self) -> int | None:
        """Virtual time of the first event due at any device, None when nothing is due."""
        if not self._known:
            self._others = self._first(d for d in self._timed() if d is not self.apic)
            self._known = True
        event, others = self.apic.next_event(), self._others
        return others if event is None or (others is not None and others < event) else event

    def next_nmi(self) -> int | None:
        """The same of those that may raise an NMI: all that a processor halted with IF = 0 can wait for."""
        return self._first(self.nmi_sources)

    @staticmethod
    def _first(devices: Iterable[Device]) -> int | None:
        first = None
        for device in devices:
            event = device.next_event()
            if event is not None and (first is None or event < first):
                first = event
        return first

    def forget_events(self) -> None:
        """Ask every device anew: their state may have been replaced."""
        self._known = False

    def advance(self) -> None:
        """Let happen at every device what is due now."""
        now = self.now()
        for device in self._timed():
            device.advance(now)
        self._known = False

    def _timed(self) -> tuple[Device, ...]:
        """The devices that can have events, in their order: asked for at every interrupt, so kept."""
        known = len(self.further)
        if self._kept is None or self._kept[0] != known:
            self._kept = known, tuple(d for d in self.devices if not isinstance(d, Untimed))
        return self._kept[1]


@dataclass(frozen=True, slots=True)
class Ends:
    """What is called when the guest ends its run: by the debug-exit port, by resetting, by switching off."""

    exited: Callable[[], None]
    reset: Callable[[], None]
    powered_off: Callable[[], None]


def new_platform(
    now: Callable[[], int],
    on_change: Callable[[], None],
    on_move: Callable[[], None],
    on_expiry: Callable[[], None],
    ends: Ends,
    new_apic: NewApic = LocalApic,
) -> Platform:
    """The chips of a PC at their places; `now`, `on_change`, `on_move` and `on_expiry` as in LocalApic.

    Every other device calls `on_move` too when its next event has moved.
    """

    def moved() -> None:
        platform.changed()

    bus = Bus()
    apic = new_apic(now, on_change, on_move, on_expiry)
    interrupts = apic.external = InterruptControllers(on_change)
    com1 = Uart(lambda level: interrupts.line(uart.IRQ, level))
    timer = I8254(now, UNITS_PER_SECOND, lambda: _pulse(interrupts, _TIMER_IRQ), moved)
    clock, port = Cmos(now, UNITS_PER_SECOND), DebugExit(ends.exited)
    power_control = PowerControl(ends.reset, ends.powered_off)
    bus.attach_registers(local_apic.BASE, local_apic.SIZE, apic)
    for first, count, device in (
        (uart.COM1, 8, com1),
        (debug_exit.PORT, 4, port),
        (MASTER, 2, interrupts),
        (SLAVE, 2, interrupts),
        (i8254.BASE, 4, timer),
        (i8254.PORT_B, 1, timer),
        (cmos.INDEX, 2, clock),
        (power.KEYBOARD_COMMAND, 1, power_control),
        (power.RESET_CONTROL, 1, power_control),
        (power.PM1A_CONTROL, 2, power_control),
    ):
        bus.attach_ports(first, count, device)
    platform = Platform(
        bus, apic, com1, port, interrupts, timer, clock, power_control, now, on_move
    )
    return platform


def _pulse(interrupts: InterruptControllers, irq: int) -> None:
    """A rising edge; the line fell some time before."""
    interrupts.line(irq, False)
    interrupts.line(irq, True)
