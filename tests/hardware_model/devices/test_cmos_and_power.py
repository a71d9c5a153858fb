"""The CMOS clock, and the ports that reset a PC or switch it off."""

from __future__ import annotations

import pytest

from hardware_model.devices.cmos import Cmos
from hardware_model.machine import End


def _read(cmos: Cmos, index: int) -> int:
    cmos.write_port(0x70, 1, index)
    return cmos.read_port(0x71, 1)


def test_the_clock_goes_by_virtual_time_in_bcd() -> None:
    time = [0]
    cmos = Cmos(lambda: time[0], 1000)
    assert [_read(cmos, n) for n in (0x32, 9, 8, 7, 4, 2, 0)] == [0x20, 0x26, 1, 1, 0, 0, 0]
    time[0] = 1000 * (40 * 86400 + 13 * 3600 + 59 * 60 + 58)
    assert [_read(cmos, n) for n in (9, 8, 7, 4, 2, 0)] == [0x26, 0x02, 0x10, 0x13, 0x59, 0x58]


def test_the_clock_can_be_read_in_binary() -> None:
    cmos = Cmos(lambda: 59_000, 1000)
    cmos.write_port(0x70, 1, 0x0B)
    cmos.write_port(0x71, 1, 0x06)
    assert _read(cmos, 0) == 59


def test_memory_keeps_what_is_written_and_is_saved() -> None:
    cmos, other = Cmos(lambda: 0, 1), Cmos(lambda: 0, 1)
    cmos.write_port(0x70, 1, 0x50)
    cmos.write_port(0x71, 1, 0xA7)
    other.restore(cmos.save())
    assert _read(other, 0x50) == 0xA7
    assert _read(other, 0x0D) & 0x80, "the battery is good"


OUT = "mov edx, {port}; mov eax, {value}; out dx, {register}"


@pytest.mark.parametrize("technique", ["native", "hvm-ept", "hvm-shadow"])
@pytest.mark.parametrize(
    ("port", "value", "register", "end"),
    [
        (0x64, 0xFE, "al", End.RESET),
        (0xCF9, 0x06, "al", End.RESET),
        (0x604, 0x2000, "ax", End.POWERED_OFF),
    ],
)
def test_the_ports_end_the_run(boot_guest, technique, port, value, register, end) -> None:
    run = boot_guest(OUT.format(port=hex(port), value=hex(value), register=register), technique)
    assert run.run().end is end


def test_other_values_do_nothing(run_guest) -> None:
    text = ";".join(
        OUT.format(port=p, value=v, register="al") for p, v in (("0x64", 0xAA), ("0xcf9", 2))
    )
    assert run_guest(text).end is End.EXITED
