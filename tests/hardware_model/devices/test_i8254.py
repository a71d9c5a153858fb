"""The 8254 by its data sheet: outputs, counts, and when channel 0 raises its line."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_model.devices.i8254 import FREQUENCY, I8254

SECOND = 1_000_000_000


@dataclass
class Clock:
    """Virtual time, and the times at which channel 0's output rose."""

    now: int = 0
    rises: list[int] = field(default_factory=list)
    timer: I8254 = field(init=False)

    def __post_init__(self) -> None:
        self.timer = I8254(
            lambda: self.now, SECOND, lambda: self.rises.append(self.now), lambda: None
        )

    def until(self, time: int) -> None:
        """Let time pass, event by event."""
        while (due := self.timer.next_event()) is not None and due <= time:
            self.now = due
            self.timer.advance(due)
        self.now = time

    def program(self, channel: int, mode: int, count: int) -> None:
        """A mode, and a count in two bytes."""
        self.timer.write_port(0x43, 1, channel << 6 | 3 << 4 | mode << 1)
        for value in (count & 0xFF, count >> 8 & 0xFF):
            self.timer.write_port(0x40 + channel, 1, value)

    def read(self, channel: int) -> int:
        """A latched count."""
        self.timer.write_port(0x43, 1, channel << 6)
        return (
            self.timer.read_port(0x40 + channel, 1) | self.timer.read_port(0x40 + channel, 1) << 8
        )


@pytest.mark.parametrize("mode", [2, 3])
def test_periodic_modes_raise_the_line_at_the_programmed_rate(mode: int) -> None:
    clock = Clock()
    clock.program(0, mode, 11932)  # 100 Hz
    clock.until(SECOND)
    assert len(clock.rises) == FREQUENCY // 11932 == 99
    assert clock.rises[0] == -(-11932 * SECOND // FREQUENCY)


def test_interrupt_on_terminal_count_raises_the_line_once() -> None:
    clock = Clock()
    clock.program(0, 0, 1193)
    assert not clock.timer.channels[0].output(clock.now)
    clock.until(SECOND)
    assert clock.rises == [-(-1193 * SECOND // FREQUENCY)]
    assert clock.timer.channels[0].output(clock.now)


def test_a_control_word_stops_the_channel_until_a_count_is_loaded() -> None:
    clock = Clock()
    clock.program(0, 2, 1000)
    clock.timer.write_port(0x43, 1, 0x30)
    assert clock.timer.next_event() is None
    clock.until(SECOND)
    assert clock.rises == []


def test_a_latched_count_does_not_move_while_it_is_read() -> None:
    clock = Clock()
    clock.program(0, 2, 0x1234)
    clock.timer.write_port(0x43, 1, 0x00)
    low = clock.timer.read_port(0x40, 1)
    clock.now = SECOND
    assert low | clock.timer.read_port(0x40, 1) << 8 == 0x1234


@given(st.integers(2, 0xFFFF), st.integers(0, 3 * SECOND), st.sampled_from([0, 2, 3]))
def test_the_count_falls_by_one_with_each_input_pulse(count: int, time: int, mode: int) -> None:
    clock = Clock()
    clock.program(0, mode, count)
    clock.now = time
    pulses = time * FREQUENCY // SECOND
    expected = {
        0: count - pulses & 0xFFFF,
        2: count - pulses % count,
        3: (count - 2 * pulses % count) & 0xFFFE,
    }[mode]
    assert clock.read(0) == expected


@given(st.integers(2, 0xFFFF), st.integers(0, 10**8))
def test_the_next_rise_is_the_first_time_at_which_another_period_is_over(
    count: int, time: int
) -> None:
    clock = Clock()
    clock.program(0, 2, count)
    channel = clock.timer.channels[0]
    rise = channel.next_rise(time)
    assert rise is not None
    assert rise > time
    assert channel.elapsed(rise) // count == channel.elapsed(time) // count + 1
    assert channel.elapsed(rise - 1) // count == channel.elapsed(time) // count


def test_the_gate_of_channel_2_restarts_it_and_its_output_is_in_port_b() -> None:
    clock = Clock()
    clock.program(2, 0, 11932)
    clock.now = 5_000_000
    clock.timer.write_port(0x61, 1, 1)
    assert clock.timer.read_port(0x61, 1) & 0x21 == 0x01
    clock.now += 11_000_000
    assert clock.timer.read_port(0x61, 1) & 0x21 == 0x21


def test_read_back_gives_status_and_count() -> None:
    clock = Clock()
    clock.program(0, 2, 500)
    clock.timer.write_port(0x43, 1, 0xC2)
    values = [clock.timer.read_port(0x40, 1) for _ in range(3)]
    assert values == [0x80 | 3 << 4 | 2 << 1, 500 & 0xFF, 500 >> 8]


def test_a_saved_timer_restores() -> None:
    clock, other = Clock(), Clock()
    clock.program(0, 2, 4000)
    clock.until(10_000_000)
    other.timer.restore(clock.timer.save())
    other.now = clock.now
    assert other.timer.next_event() == clock.timer.next_event()
    assert other.read(0) == clock.read(0)
