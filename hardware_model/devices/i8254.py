"""The 8254 programmable interval timer and the port that gates its channel 2 (Intel 8254 data sheet, 231164).

Channel 0's output is interrupt line 0, channel 2 is the speaker's, gated and read through system control port B
(0x61). Counting is binary; a channel's state is the time at which it began to count down from its reload value.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.device import State

BASE, CONTROL, PORT_B = 0x40, 0x43, 0x61
FREQUENCY = 1_193_182
"""Counts per second."""
LATCH, LOW_BYTE, HIGH_BYTE, BOTH_BYTES = range(4)
READ_BACK = 3
READ_BACK_NO_COUNT, READ_BACK_NO_STATUS = 1 << 5, 1 << 4
ONE_SHOT_MODES = (0, 1, 4, 5)
PORT_B_GATE, PORT_B_SPEAKER, PORT_B_REFRESH, PORT_B_OUTPUT = 1 << 0, 1 << 1, 1 << 4, 1 << 5
_REFRESH_COUNTS = 18  # DRAM refresh toggles its bit about every 15 microseconds


class Channel:
    """One counter of `frequency` units of virtual time per second."""

    def __init__(self, frequency: int) -> None:
        self._frequency = frequency
        self.mode, self.access = 3, BOTH_BYTES
        self.reload = 0x10000
        self.start: int | None = None  # virtual time at which counting began; None: no count loaded
        self._low: int | None = None  # first of two bytes written
        self._latched: int | None = None
        self._status: int | None = None
        self._high_next = False

    def elapsed(self, now: int) -> int:
        """Counts since counting began."""
        return 0 if self.start is None else (now - self.start) * FREQUENCY // self._frequency

    def time_of(self, counts: int) -> int:
        """Virtual time at which `counts` counts have elapsed."""
        return (self.start or 0) - (-counts * self._frequency // FREQUENCY)

    def next_rise(self, after: int) -> int | None:
        """Virtual time of the output's next rising edge after `after`."""
        if self.start is None:
            return None
        if self.mode not in ONE_SHOT_MODES:
            return self.time_of((self.elapsed(after) // self.reload + 1) * self.reload)
        due = self.time_of(self.reload)
        return due if due > after else None

    def output(self, now: int) -> bool:
        """Level of the output pin."""
        if self.start is None:
            return self.mode != 0
        elapsed = self.elapsed(now)
        match self.mode:
            case 2:
                return elapsed % self.reload != self.reload - 1
            case 3:
                return 2 * (elapsed % self.reload) < self.reload + 1
            case 4 | 5:
                return elapsed != self.reload
            case _:
                return elapsed >= self.reload

    def count(self, now: int) -> int:
        """The counting element's value."""
        elapsed = self.elapsed(now)
        match self.mode:
            case 2:
                value = self.reload - elapsed % self.reload
            case 3:
                value = self.reload - 2 * elapsed % self.reload & ~1
            case _:
                value = self.reload - elapsed
        return value & 0xFFFF

    def control(self, value: int, now: int) -> None:
        """A control word for this channel: latch command, or access and mode."""
        access = value >> 4 & 3
        if access == LATCH:
            self.latch(now)
            return
        mode = value >> 1 & 7
        self.mode, self.access = mode & 3 if mode > 5 else mode, access
        self.start = self._low = self._latched = self._status = None
        self._high_next = False

    def latch(self, now: int) -> None:
        """Hold the count for the next reads."""
        if self._latched is None:
            self._latched, self._high_next = self.count(now), False

    def latch_status(self, now: int) -> None:
        """Hold the status byte for the next read."""
        self._status = (
            self.output(now) << 7 | (self.start is None) << 6 | self.access << 4 | self.mode << 1
        )

    def read(self, now: int) -> int:
        """One byte of the count, or the held status."""
        if self._status is not None:
            value, self._status = self._status, None
            return value
        count = self.count(now) if self._latched is None else self._latched
        if self.access == BOTH_BYTES:
            high, self._high_next = self._high_next, not self._high_next
            if high:
                self._latched = None
        else:
            high, self._latched = self.access == HIGH_BYTE, None
        return count >> 8 if high else count & 0xFF

    def write(self, value: int, now: int) -> bool:
        """One byte of the reload value; True when the count is complete and counting began."""
        if self.access == BOTH_BYTES and self._low is None:
            self._low = value
            return False
        low = {LOW_BYTE: value, HIGH_BYTE: 0, BOTH_BYTES: self._low or 0}[self.access]
        high = 0 if self.access == LOW_BYTE else value
        self._low = None
        self.reload = (high << 8 | low) or 0x10000
        self.start = now
        return True

    def save(self) -> State:
        """Every register."""
        return dict(vars(self))

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        vars(self).update(state)


class I8254:
    """The timer and port B. `now` gives virtual time, of which a second has `frequency` units.

    `rise` is called at each rising edge of channel 0's output, `on_change` when its next one has moved.
    """

    def __init__(
        self,
        now: Callable[[], int],
        frequency: int,
        rise: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._now, self._rise, self._on_change = now, rise, on_change
        self.channels = tuple(Channel(frequency) for _ in range(3))
        self._port_b = 0
        self._due: int | None = None

    def read_port(self, port: int, size: int) -> int:
        """Read a channel or port B."""
        if port == PORT_B:
            return self._read_port_b()
        return 0xFF if port == CONTROL else self.channels[port - BASE].read(self._now())

    def _read_port_b(self) -> int:
        now, speaker = self._now(), self.channels[2]
        refresh = now * FREQUENCY // speaker._frequency // _REFRESH_COUNTS & 1
        return (
            self._port_b & 0xF
            | refresh * PORT_B_REFRESH
            | (PORT_B_OUTPUT if speaker.output(now) else 0)
        )

    def write_port(self, port: int, size: int, value: int) -> None:
        """Write a channel's count, a control word, or port B."""
        value &= 0xFF
        if port == PORT_B:
            self._write_port_b(value)
        elif port == CONTROL:
            self._control(value)
        elif self.channels[port - BASE].write(value, self._now()) and port == BASE:
            self._schedule()

    def _write_port_b(self, value: int) -> None:
        if value & ~self._port_b & PORT_B_GATE and self.channels[2].start is not None:
            self.channels[2].start = self._now()
        self._port_b = value

    def _control(self, value: int) -> None:
        number, now = value >> 6, self._now()
        if number != READ_BACK:
            self.channels[number].control(value, now)
            if number == 0:
                self._schedule()
            return
        for index, channel in enumerate(self.channels):
            if value >> index + 1 & 1:
                if not value & READ_BACK_NO_COUNT:
                    channel.latch(now)
                if not value & READ_BACK_NO_STATUS:
                    channel.latch_status(now)

    def _schedule(self) -> None:
        self._due = self.channels[0].next_rise(self._now())
        self._on_change()

    def next_event(self) -> int | None:
        """When channel 0's output next rises."""
        return self._due

    def advance(self, now: int) -> None:
        """Raise line 0 as often as is due; several edges at once are one request."""
        if self._due is not None and self._due <= now:
            self._due = self.channels[0].next_rise(now)
            self._rise()

    def save(self) -> State:
        """The channels, port B and the next edge."""
        return {
            "channels": [channel.save() for channel in self.channels],
            "port_b": self._port_b,
            "due": self._due,
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        for channel, saved in zip(self.channels, state["channels"], strict=True):
            channel.restore(saved)
        self._port_b, self._due = state["port_b"], state["due"]
