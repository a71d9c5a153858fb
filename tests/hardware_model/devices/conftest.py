"""A platform with its PCI devices on plain memory, driven by hand, time included."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hardware_model import counters
from hardware_model.devices.dma import DmaBlocked
from hardware_model.devices.pci.host_bridge import CONFIG_ADDRESS, CONFIG_DATA
from hardware_model.peripherals import Peripherals, attach_peripherals
from hardware_model.platform import Ends, Platform, new_platform

ENABLE = 1 << 31


@dataclass
class PlainMemory:
    """A path to 1 MiB of memory that remembers messages, and blocks pages on demand."""

    content: bytearray = field(default_factory=lambda: bytearray(1 << 20))
    messages: list[tuple[int, int, int]] = field(default_factory=list)
    blocked: set[int] = field(default_factory=set)

    def read(self, source_id: int, address: int, size: int) -> bytes:
        self._check(address)
        return bytes(self.content[address : address + size])

    def write(self, source_id: int, address: int, data: bytes) -> None:
        self._check(address)
        self.content[address : address + len(data)] = data

    def message(self, source_id: int, address: int, data: int) -> None:
        self.messages.append((source_id, address, data))

    def _check(self, address: int) -> None:
        if address >> 12 in self.blocked:
            raise DmaBlocked(hex(address))


class Bench:
    """The devices, their memory and the clock."""

    def __init__(self) -> None:
        self.now = 0
        self.memory = PlainMemory()
        self.counters = counters.new()
        nothing = lambda: None  # noqa: E731
        self.platform: Platform = new_platform(
            lambda: self.now, nothing, nothing, nothing, Ends(nothing, nothing, nothing)
        )
        self.devices: Peripherals = attach_peripherals(self.platform, self.memory, self.counters)

    def pass_time(self, until: int | None = None) -> None:
        """Let all events happen, up to `until`."""
        while (due := self.platform.next_event()) is not None and (until is None or due <= until):
            self.now = due
            self.platform.advance()
        self.now = until or self.now

    def configure(self, slot: int, register: int, value: int | None = None) -> int:
        """Read, or write, a word of configuration space."""
        bus = self.platform.bus
        bus.write_port(CONFIG_ADDRESS, 4, ENABLE | slot << 11 | register)
        if value is not None:
            bus.write_port(CONFIG_DATA, 4, value)
        return bus.read_port(CONFIG_DATA, 4)

    def enable(self, slot: int, vector: int) -> None:
        """Bus mastering, and messages with `vector`."""
        self.configure(slot, 0x04, 0x407)
        at = self.configure(slot, 0x34) & 0xFF
        self.configure(slot, at + 4, 0xFEE00000)
        self.configure(slot, at + 12, vector)
        self.configure(slot, at, self.configure(slot, at) | 1 << 16)

    def count(self, name: str) -> int:
        """A counter's value."""
        return int(self.counters[counters.index(name)])


@pytest.fixture
def bench() -> Bench:
    return Bench()
