"""The 256 bytes of configuration space of one function (PCI Local Bus Specification 3.0, chapter 6).

0x00  vendor, device        0x10  base address registers, six words      0x34  first capability
0x04  command, status       0x2c  subsystem                               0x3c  interrupt line, pin
0x08  revision, class       0x40  the function's own, 16 bytes            0x50  capabilities
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

BYTES = 256
VENDOR, DEVICE, COMMAND, STATUS, REVISION, CLASS, HEADER_TYPE = 0, 2, 4, 6, 8, 9, 14
BARS, SUBSYSTEM, CAPABILITIES, INTERRUPT_LINE, INTERRUPT_PIN = 0x10, 0x2C, 0x34, 0x3C, 0x3D
_FIRST_CAPABILITY = 0x50
COMMAND_IO, COMMAND_MEMORY, COMMAND_MASTER, COMMAND_NO_INTX = 1, 2, 4, 0x400
_COMMAND_BITS = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX
_HAS_CAPABILITIES = 0x10


class Space(Enum):
    """What a base address register maps: its decode enable in COMMAND and its low bits."""

    MEMORY = (COMMAND_MEMORY, 0x0, 0xF)
    IO = (COMMAND_IO, 0x1, 0x3)


@dataclass(frozen=True, slots=True)
class Identity:
    """Vendor, device, class code (24 bits: class, subclass, interface) and subsystem of a function."""

    vendor: int
    device: int
    class_code: int
    subsystem: int = 0


@dataclass(frozen=True, slots=True)
class Bar:
    """Base address register `index`: `size` bytes, a power of two, of `space`; `base` is what firmware set."""

    index: int
    space: Space
    size: int
    base: int


class ConfigurationSpace:
    """Reads and writes by offset; only bits that the specification makes writable change."""

    def __init__(self, identity: Identity, bars: Sequence[Bar]) -> None:
        self._bytes = bytearray(BYTES)
        self._writable = bytearray(BYTES)
        self._last_link = CAPABILITIES
        self._next = _FIRST_CAPABILITY
        self.bars = tuple(bars)
        self._put(VENDOR, 2, identity.vendor)
        self._put(DEVICE, 2, identity.device)
        self._put(CLASS, 3, identity.class_code)
        self._put(SUBSYSTEM, 4, identity.subsystem)
        self._put(COMMAND, 2, 0, writable=_COMMAND_BITS)
        self._put(INTERRUPT_LINE, 1, 0, writable=0xFF)
        for bar in bars:
            low, mask = bar.space.value[1], ~(bar.size - 1) & 0xFFFFFFFF
            self._put(BARS + 4 * bar.index, 4, bar.base | low, writable=mask)
        enabled = {bar.space for bar in bars}
        self.write(COMMAND, 2, sum(space.value[0] for space in enabled))

    def _put(self, offset: int, size: int, value: int, writable: int = 0) -> None:
        self._bytes[offset : offset + size] = value.to_bytes(size, "little")
        self._writable[offset : offset + size] = writable.to_bytes(size, "little")

    def add_register(self, offset: int, value: bytes, writable: bytes) -> None:
        """A register of the function's own, or one of the header that it has."""
        self._bytes[offset : offset + len(value)] = value
        self._writable[offset : offset + len(value)] = writable

    def add_capability(self, identifier: int, body: bytes, writable: bytes) -> int:
        """Append a capability; `body` follows its two header bytes. Returns its offset."""
        at = self._next
        self._put(at, 2, identifier)
        self._bytes[at + 2 : at + 2 + len(body)] = body
        self._writable[at + 2 : at + 2 + len(body)] = writable
        self._bytes[self._last_link] = at
        self._last_link = at + 1
        self._next = (at + 2 + len(body) + 3) & ~3
        self._bytes[STATUS] |= _HAS_CAPABILITIES
        return at

    def read(self, offset: int, size: int) -> int:
        """`size` bytes from `offset`, which must lie in one aligned word."""
        return int.from_bytes(self._bytes[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Store what is writable of `size` bytes at `offset`."""
        for at, byte in enumerate(value.to_bytes(size, "little"), offset):
            mask = self._writable[at]
            self._bytes[at] = self._bytes[at] & ~mask | byte & mask

    @property
    def pin_enabled(self) -> bool:
        """Whether the function may use its interrupt pin."""
        return not self.read(COMMAND, 2) & COMMAND_NO_INTX

    @property
    def bus_master(self) -> bool:
        """Whether the function may access memory."""
        return bool(self._bytes[COMMAND] & COMMAND_MASTER)

    def base(self, bar: Bar) -> int | None:
        """Where `bar` decodes; None while COMMAND keeps it from doing so."""
        enable, _, low = bar.space.value
        if not self._bytes[COMMAND] & enable:
            return None
        return self.read(BARS + 4 * bar.index, 4) & ~low

    def save(self) -> bytes:
        """All bytes."""
        return bytes(self._bytes)

    def restore(self, saved: bytes) -> None:
        """Take over saved bytes."""
        self._bytes[:] = saved
