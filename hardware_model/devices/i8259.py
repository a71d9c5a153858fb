"""The two cascaded 8259A interrupt controllers of a PC (Intel 8259A data sheet, 231468).

The slave's output is the master's input 2; the master's output is the processor's INTR, which reaches it through
LINT0 of the local APIC. Inputs are edge-triggered: a rising edge sets the request, which a falling edge withdraws
if it was not taken before.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware_model.devices.device import State, Untimed

MASTER, SLAVE = 0x20, 0xA0
CASCADE = 2
SPURIOUS = 7
ICW1, ICW1_ICW4_NEEDED, ICW1_SINGLE = 1 << 4, 1 << 0, 1 << 1
ICW4_AUTO_EOI = 1 << 1
OCW3, OCW3_POLL, OCW3_READ, OCW3_READ_ISR = 1 << 3, 1 << 2, 1 << 1, 1 << 0
OCW3_SPECIAL_MASK_CHANGE, OCW3_SPECIAL_MASK = 1 << 6, 1 << 5
OCW2_ROTATE, OCW2_SPECIFIC, OCW2_EOI = 1 << 7, 1 << 6, 1 << 5
POLL_INTERRUPT = 1 << 7


class I8259:
    """One controller: eight inputs, registers IRR, ISR and IMR."""

    def __init__(self) -> None:
        self.base = 0
        self.irr = self.isr = 0
        self.imr = 0xFF
        self._lines = 0
        self._expected: list[str] = []  # initialization command words still to come
        self._lowest = 7  # input of lowest priority
        self._auto_eoi = self._read_isr = self._special_mask = self._poll = False

    def line(self, number: int, level: bool) -> None:
        """Input `number` goes to `level`."""
        bit = 1 << number
        if level and not self._lines & bit:
            self.irr |= bit
        elif not level:
            self.irr &= ~bit
        self._lines = self._lines | bit if level else self._lines & ~bit

    def pending(self) -> int | None:
        """The input whose request the controller passes on, by priority; None if there is none."""
        requests = self.irr & ~self.imr
        if not requests:
            return None
        for step in range(1, 9):
            number = (self._lowest + step) & 7
            if self.isr >> number & 1 and not self._special_mask:
                return None
            if requests & ~self.isr & 1 << number:
                return number
        return None

    def acknowledge(self) -> int:
        """INTA: the best request moves into service; a request that has gone gives the spurious input 7."""
        number = self.pending()
        if number is None:
            return SPURIOUS
        self.irr &= ~(1 << number)
        if not self._auto_eoi:
            self.isr |= 1 << number
        return number

    def read(self, register: int) -> int:
        """IN from the command (0) or the data port (1)."""
        if self._poll:
            self._poll = False
            found = self.pending()
            return 0 if found is None else POLL_INTERRUPT | self.acknowledge()
        if register:
            return self.imr
        return self.isr if self._read_isr else self.irr

    def write(self, register: int, value: int) -> None:
        """OUT to the command (0) or the data port (1)."""
        if register:
            self._write_data(value)
        elif value & ICW1:
            self._initialize(value)
        elif value & OCW3:
            self._operation_3(value)
        else:
            self._operation_2(value)

    def _initialize(self, value: int) -> None:
        self.irr = self.isr = self.imr = 0
        self._lowest = 7
        self._auto_eoi = self._read_isr = self._special_mask = self._poll = False
        self._expected = ["icw2"]
        if not value & ICW1_SINGLE:
            self._expected.append("icw3")
        if value & ICW1_ICW4_NEEDED:
            self._expected.append("icw4")

    def _write_data(self, value: int) -> None:
        if not self._expected:
            self.imr = value
            return
        match self._expected.pop(0):
            case "icw2":
                self.base = value & 0xF8
            case "icw4":
                self._auto_eoi = bool(value & ICW4_AUTO_EOI)

    def _operation_3(self, value: int) -> None:
        if value & OCW3_SPECIAL_MASK_CHANGE:
            self._special_mask = bool(value & OCW3_SPECIAL_MASK)
        if value & OCW3_POLL:
            self._poll = True
        elif value & OCW3_READ:
            self._read_isr = bool(value & OCW3_READ_ISR)

    def _operation_2(self, value: int) -> None:
        number = value & 7 if value & OCW2_SPECIFIC else self._highest_in_service()
        if value & OCW2_EOI and number is not None:
            self.isr &= ~(1 << number)
        if value & OCW2_ROTATE and number is not None:
            self._lowest = number

    def _highest_in_service(self) -> int | None:
        for step in range(1, 9):
            number = (self._lowest + step) & 7
            if self.isr >> number & 1:
                return number
        return None

    def save(self) -> State:
        """Every register."""
        return {**vars(self), "_expected": list(self._expected)}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        vars(self).update({**state, "_expected": list(state["_expected"])})


class InterruptControllers(Untimed):
    """Master and slave; `output` is INTR, whether the processor should take an interrupt.

    `on_change` is called when it may have changed.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self.master, self.slave = I8259(), I8259()
        self.output = False
        self._on_change = on_change

    def line(self, irq: int, level: bool) -> None:
        """A device drives its interrupt request line (0 to 15)."""
        (self.slave if irq & 8 else self.master).line(irq & 7, level)
        self._settle()

    def _settle(self) -> None:
        self.master.line(CASCADE, self.slave.pending() is not None)
        self.output = self.master.pending() is not None
        self._on_change()

    def acknowledge(self) -> int:
        """The processor's INTA cycle: the vector to deliver."""
        number = self.master.acknowledge()
        vector = self.master.base + number
        if number == CASCADE:
            vector = self.slave.base + self.slave.acknowledge()
            self.master.line(CASCADE, False)
        self._settle()
        return vector

    def read_port(self, port: int, size: int) -> int:
        """Read a register of the controller at `port`."""
        value = (self.slave if port & SLAVE == SLAVE else self.master).read(port & 1)
        self._settle()
        return value

    def write_port(self, port: int, size: int, value: int) -> None:
        """Write a command or data word."""
        (self.slave if port & SLAVE == SLAVE else self.master).write(port & 1, value & 0xFF)
        self._settle()

    def save(self) -> State:
        """Both controllers' registers."""
        return {"master": self.master.save(), "slave": self.slave.save()}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.master.restore(state["master"])
        self.slave.restore(state["slave"])
        self.output = self.master.pending() is not None
