"""The host bridge: configuration mechanism 1 and the windows in which base address registers decode.

    0xCF8  CONFIG_ADDRESS  enable [31] bus [23:16] device [15:11] function [10:8] word [7:2]
    0xCFC  CONFIG_DATA     4 bytes of the word

(PCI Local Bus Specification 3.0, section 3.2.2.3.2.) Only bus 0, function 0 exists.
"""

from __future__ import annotations

from hardware_model.devices.bus import Bus
from hardware_model.devices.device import State
from hardware_model.devices.pci.configuration_space import Bar, Space
from hardware_model.devices.pci.function import PciFunction

CONFIG_ADDRESS, CONFIG_DATA = 0xCF8, 0xCFC
ENABLE = 1 << 31
PORT_WINDOW = (0xC000, 0x1000)
MEMORY_WINDOW = (0xFE000000, 0x00C00000)
_ONES = 0xFFFFFFFF


class HostBridge:
    """Functions by slot; ports and registers of the two windows are those of whoever decodes them."""

    def __init__(self, bus: Bus) -> None:
        self.functions: dict[int, PciFunction] = {}
        self._timed: list[PciFunction] = []  # those at which something can be due
        self._address = 0
        bus.attach_ports(CONFIG_ADDRESS, 1, self)  # an access of four bytes; 0xCF9 is another's
        bus.attach_ports(CONFIG_DATA, 4, self)
        bus.attach_ports(*PORT_WINDOW, self)
        bus.attach_registers(*MEMORY_WINDOW, self)

    def add(self, function: PciFunction) -> None:
        """Plug a function into its slot."""
        self.functions[function.slot] = function
        self._timed = [
            plugged
            for plugged in self.functions.values()
            if type(plugged).next_event is not PciFunction.next_event
        ]

    def _target(self) -> PciFunction | None:
        address = self._address
        if not address & ENABLE or address >> 8 & 7 or address >> 16 & 0xFF:
            return None
        return self.functions.get(address >> 11 & 31)

    def read_port(self, port: int, size: int) -> int:
        """IN: a configuration access, or a port of a function."""
        if port >= PORT_WINDOW[0]:
            return self._read(Space.IO, port, size)
        if port < CONFIG_DATA:
            return self._address if size == 4 else _ONES
        target = self._target()
        if target is None:
            return _ONES
        return target.configuration.read((self._address & 0xFC) + (port & 3), size)

    def write_port(self, port: int, size: int, value: int) -> None:
        """OUT."""
        if port >= PORT_WINDOW[0]:
            self._write(Space.IO, port, size, value)
        elif port < CONFIG_DATA:
            if size == 4:
                self._address = value & ~3
        elif target := self._target():
            target.configuration.write((self._address & 0xFC) + (port & 3), size, value)
            target.configuration_written()

    def find(self, space: Space, address: int) -> tuple[PciFunction, Bar, int] | None:
        """Who decodes `address` of `space`: function, base address register, offset."""
        for function in self.functions.values():
            for bar in function.configuration.bars:
                base = function.configuration.base(bar) if bar.space is space else None
                if base is not None and base <= address < base + bar.size:
                    return function, bar, address - base
        return None

    def _read(self, space: Space, address: int, size: int) -> int:
        found = self.find(space, address)
        if found is None:
            return (1 << 8 * size) - 1
        function, bar, offset = found
        return function.read_bar(bar.index, offset, size)

    def _write(self, space: Space, address: int, size: int, value: int) -> None:
        found = self.find(space, address)
        if found is not None:
            function, bar, offset = found
            function.write_bar(bar.index, offset, size, value)

    def read_register(self, offset: int, size: int) -> int:
        """A load in the memory window."""
        return self._read(Space.MEMORY, MEMORY_WINDOW[0] + offset, size)

    def write_register(self, offset: int, size: int, value: int) -> None:
        """A store in the memory window."""
        self._write(Space.MEMORY, MEMORY_WINDOW[0] + offset, size, value)

    def next_event(self) -> int | None:
        """The earliest event of any function."""
        first = None
        for function in self._timed:
            event = function.next_event()
            if event is not None and (first is None or event < first):
                first = event
        return first

    def advance(self, now: int) -> None:
        """Let happen what is due, the earliest first, so that order does not depend on who asks when."""
        while (due := self.next_event()) is not None and due <= now:
            for function in self._timed:
                event = function.next_event()
                if event is not None and event <= due:
                    function.advance(due)

    def save(self) -> State:
        """The address register and every function's state, by slot."""
        states = {slot: function.save() for slot, function in self.functions.items()}
        return {"address": self._address, "functions": states}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self._address = state["address"]
        for slot, saved in state["functions"].items():
            self.functions[slot].restore(saved)
