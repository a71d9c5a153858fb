"""16550 UART, transmitter side: what the guest writes is collected in `output`; the line is always ready.

Registers and bits as in the National Semiconductor PC16550D data sheet.
"""

from __future__ import annotations

from hardware_model.devices.device import State

COM1 = 0x3F8
THR_RBR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR = range(8)
LCR_DLAB = 0x80
LSR_THRE, LSR_TEMT = 0x20, 0x40
IIR_NONE_PENDING, IIR_FIFOS = 0x01, 0xC0
MCR_LOOP = 0x10
MSR_LINES_UP = 0xB0
_STEADY = frozenset({IER, LCR, MCR, LSR, MSR, SCR})


class Uart:
    """COM1."""

    def __init__(self) -> None:
        self.output = bytearray()
        self._registers = {IER: 0, LCR: 0, MCR: 0, SCR: 0, IIR_FCR: 0}
        self._divisor = 1

    def read_port(self, port: int, size: int) -> int:
        """Read a register."""
        register = port & 7
        if register in (THR_RBR, IER) and self._registers[LCR] & LCR_DLAB:
            return self._divisor >> 8 * register & 0xFF
        if register == THR_RBR:
            return 0
        if register == IIR_FCR:
            return IIR_NONE_PENDING | (IIR_FIFOS if self._registers[IIR_FCR] & 1 else 0)
        if register == LSR:
            return LSR_THRE | LSR_TEMT
        if register == MSR:
            return self._modem_status()
        return self._registers[register]

    def steady_port(self, port: int) -> int | None:
        """Registers that nothing but a write changes, and the line's status: it is always ready."""
        return self.read_port(port, 1) if port & 7 in _STEADY else None

    def _modem_status(self) -> int:
        mcr = self._registers[MCR]
        if not mcr & MCR_LOOP:
            return MSR_LINES_UP
        return (mcr & 1) << 5 | (mcr & 2) << 3 | (mcr & 4) << 4 | (mcr & 8) << 4

    def write_port(self, port: int, size: int, value: int) -> None:
        """Write a register; bytes written to the holding register are sent at once unless looped back."""
        register, value = port & 7, value & 0xFF
        if register in (THR_RBR, IER) and self._registers[LCR] & LCR_DLAB:
            shift = 8 * register
            self._divisor = self._divisor & ~(0xFF << shift) | value << shift
        elif register == THR_RBR:
            if not self._registers[MCR] & MCR_LOOP:
                self.output.append(value)
        elif register in self._registers:
            self._registers[register] = value

    def next_event(self) -> int | None:
        """None: the UART raises no interrupts yet."""
        return None

    def advance(self, now: int) -> None:
        """Nothing is ever due."""

    def save(self) -> State:
        """Registers and collected output."""
        return {
            "output": bytes(self.output),
            "registers": dict(self._registers),
            "divisor": self._divisor,
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.output = bytearray(state["output"])
        self._registers = dict(state["registers"])
        self._divisor = state["divisor"]
