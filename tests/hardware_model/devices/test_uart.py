"""The 16550: what it sends, receives and interrupts for."""

from __future__ import annotations

import pytest

from hardware_model.devices.uart import (
    COM1,
    IER,
    IIR_FCR,
    LSR,
    LSR_READY,
    MCR,
    MCR_LOOP,
    MCR_OUT2,
    THR_RBR,
    Uart,
)


class Line:
    """A UART and the levels that its interrupt line took."""

    def __init__(self) -> None:
        self.levels: list[bool] = []
        self.uart = Uart(self.levels.append)
        self.write(MCR, MCR_OUT2)

    def write(self, register: int, value: int) -> None:
        self.uart.write_port(COM1 + register, 1, value)

    def read(self, register: int) -> int:
        return self.uart.read_port(COM1 + register, 1)


def test_bytes_written_are_sent_in_order() -> None:
    line = Line()
    for byte in b"trap":
        line.write(THR_RBR, byte)
    assert bytes(line.uart.output) == b"trap"
    assert line.levels == []


def test_enabling_the_transmitter_interrupt_raises_it_and_reading_its_cause_takes_it_back() -> None:
    line = Line()
    line.write(IER, 2)
    assert line.levels == [True]
    assert line.read(IIR_FCR) == 2
    assert line.levels == [True, False]
    assert line.read(IIR_FCR) == 1


def test_each_byte_sent_makes_a_new_edge() -> None:
    line = Line()
    line.write(IER, 2)
    line.write(THR_RBR, 65)
    line.write(THR_RBR, 66)
    assert line.levels == [True, False, True, False, True]


def test_without_out2_no_interrupt_leaves_the_chip() -> None:
    line = Line()
    line.write(MCR, 0)
    line.write(IER, 3)
    line.uart.receive(b"x")
    assert line.levels == []


def test_received_bytes_wait_with_an_interrupt_until_the_last_one_is_read() -> None:
    line = Line()
    line.write(IER, 1)
    line.uart.receive(b"ok")
    assert (line.read(IIR_FCR), line.read(LSR) & LSR_READY) == (4, 1)
    assert [line.read(THR_RBR), line.read(THR_RBR)] == [ord("o"), ord("k")]
    assert line.levels == [True, False]
    assert line.read(LSR) & LSR_READY == 0


def test_reception_comes_before_transmission_in_the_cause() -> None:
    line = Line()
    line.write(IER, 3)
    line.uart.receive(b"a")
    assert line.read(IIR_FCR) == 4
    line.read(THR_RBR)
    assert line.read(IIR_FCR) == 2


def test_looped_back_bytes_are_received_and_not_sent() -> None:
    line = Line()
    line.write(MCR, MCR_LOOP)
    line.write(THR_RBR, 0x55)
    assert line.read(THR_RBR) == 0x55
    assert not line.uart.output


@pytest.mark.parametrize("fcr", [0x01, 0x07])
def test_an_enabled_fifo_shows_in_the_cause_register(fcr: int) -> None:
    line = Line()
    line.write(IIR_FCR, fcr)
    assert line.read(IIR_FCR) == 0xC1


def test_a_saved_uart_restores() -> None:
    line, other = Line(), Line()
    line.write(IER, 1)
    line.uart.receive(b"q")
    line.write(THR_RBR, 1)
    other.uart.restore(line.uart.save())
    assert other.read(THR_RBR) == ord("q")
    assert other.levels == [False]
    assert bytes(other.uart.output) == b"\1"
