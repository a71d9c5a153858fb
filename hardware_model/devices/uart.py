"""16550 UART: what the guest writes is collected in `output`; what `receive` is given waits for the guest to read it.

The line is infinitely fast: a byte written is sent at once. Registers and bits as in the National Semiconductor
PC16550D data sheet; FIFOs hold any number of bytes.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.device import State, Untimed

COM1 = 0x3F8
IRQ = 4
THR_RBR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR = range(8)
IER_RECEIVED, IER_THR_EMPTY = 1 << 0, 1 << 1
LCR_DLAB = 0x80
LSR_READY, LSR_THRE, LSR_TEMT = 0x01, 0x20, 0x40
IIR_NONE_PENDING, IIR_THR_EMPTY, IIR_RECEIVED, IIR_FIFOS = 0x01, 0x02, 0x04, 0xC0
FCR_ENABLE, FCR_CLEAR_RECEIVED = 1 << 0, 1 << 1
MCR_OUT2, MCR_LOOP = 0x08, 0x10
MSR_LINES_UP = 0xB0
_STEADY = frozenset({IER, LCR, MCR, LSR, MSR, SCR})


class Uart(Untimed):
    """COM1. `on_interrupt` is told the level of its interrupt line."""

    def __init__(self, on_interrupt: Callable[[bool], None] = lambda level: None) -> None:
        self.output = bytearray()
        self._on_interrupt = on_interrupt
        self._registers = {IER: 0, LCR: 0, MCR: 0, SCR: 0, IIR_FCR: 0}
        self._divisor = 1
        self._received = bytearray()
        self._thr_empty = False  # the transmitter's interrupt condition
        self._line = False

    def receive(self, data: bytes) -> None:
        """Bytes arrive on the line."""
        self._received += data
        self._settle()

    def read_port(self, port: int, size: int) -> int:
        """Read a register."""
        register = port & 7
        if register in (THR_RBR, IER) and self._registers[LCR] & LCR_DLAB:
            return self._divisor >> 8 * register & 0xFF
        if register == THR_RBR:
            return self._take()
        if register == IIR_FCR:
            return self._identify() | (IIR_FIFOS if self._registers[IIR_FCR] & FCR_ENABLE else 0)
        if register == LSR:
            return LSR_THRE | LSR_TEMT | (LSR_READY if self._received else 0)
        if register == MSR:
            return self._modem_status()
        return self._registers[register]

    def steady_port(self, port: int) -> int | None:
        """Registers that nothing but a write changes, and the line's status: it is always ready."""
        return self.read_port(port, 1) if port & 7 in _STEADY else None

    def _take(self) -> int:
        value = self._received.pop(0) if self._received else 0
        self._settle()
        return value

    def _cause(self) -> int:
        enabled = self._registers[IER]
        if enabled & IER_RECEIVED and self._received:
            return IIR_RECEIVED
        return IIR_THR_EMPTY if enabled & IER_THR_EMPTY and self._thr_empty else IIR_NONE_PENDING

    def _identify(self) -> int:
        """IIR: the cause of the interrupt; reading it takes back the transmitter's."""
        cause = self._cause()
        if cause == IIR_THR_EMPTY:
            self._thr_empty = False
            self._settle()
        return cause

    def _settle(self) -> None:
        level = self._cause() != IIR_NONE_PENDING and bool(self._registers[MCR] & MCR_OUT2)
        if level != self._line:
            self._line = level
            self._on_interrupt(level)

    def _modem_status(self) -> int:
        mcr = self._registers[MCR]
        if not mcr & MCR_LOOP:
            return MSR_LINES_UP
        return (mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 4) << 4 | (mcr & 8) << 4

    def write_port(self, port: int, size: int, value: int) -> None:
        """Write a register; bytes written to the holding register are sent at once, to ourselves if looped back."""
        register, value = port & 7, value & 0xFF
        if register in (THR_RBR, IER) and self._registers[LCR] & LCR_DLAB:
            shift = 8 * register
            self._divisor = self._divisor & ~(0xFF << shift) | value << shift
        elif register == THR_RBR:
            self._transmit(value)
        elif register in self._registers:
            self._write_register(register, value)

    def _transmit(self, value: int) -> None:
        (self._received if self._registers[MCR] & MCR_LOOP else self.output).append(value)
        if self._thr_empty and self._line:  # the edge that the next empty register makes
            self._thr_empty = False
            self._settle()
        self._thr_empty = True
        self._settle()

    def _write_register(self, register: int, value: int) -> None:
        if register == IER:
            value &= 0xF
            if value & ~self._registers[IER] & IER_THR_EMPTY:
                self._thr_empty = True
        if register == IIR_FCR and value & FCR_CLEAR_RECEIVED:
            self._received.clear()
        self._registers[register] = value
        self._settle()

    def save(self) -> State:
        """Registers, collected output, and what waits to be read."""
        return {
            "output": bytes(self.output),
            "registers": dict(self._registers),
            "divisor": self._divisor,
            "received": bytes(self._received),
            "thr_empty": self._thr_empty,
            "line": self._line,
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.output = bytearray(state["output"])
        self._registers = dict(state["registers"])
        self._divisor = state["divisor"]
        self._received = bytearray(state["received"])
        self._thr_empty, self._line = state["thr_empty"], state["line"]
