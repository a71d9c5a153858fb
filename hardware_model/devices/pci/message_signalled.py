"""Message-signalled interrupts: the MSI capability, and MSI-X with its table (PCI 3.0 sections 6.8.1 and 6.8.2)."""

from __future__ import annotations

import struct

from hardware_model.devices.pci.configuration_space import ConfigurationSpace

MSI, MSI_X = 0x05, 0x11
_CONTROL, _ADDRESS, _DATA = 2, 4, 12
_64_BIT, ENABLE = 0x80, 0x1
X_ENABLE, X_MASK_ALL = 0x8000, 0x4000
ENTRY_BYTES = 16
_MASKED = 1
Message = tuple[int, int]


class Msi:
    """One message; its capability has a 64-bit address."""

    def __init__(self, configuration: ConfigurationSpace) -> None:
        self._space = configuration
        body = struct.pack("<HIIH", _64_BIT, 0, 0, 0)
        writable = struct.pack("<HIIH", ENABLE, 0xFFFFFFFC, 0xFFFFFFFF, 0xFFFF)
        self.offset = configuration.add_capability(MSI, body, writable)

    def message(self) -> Message | None:
        """(address, data) to write for an interrupt; None while disabled."""
        read, at = self._space.read, self.offset
        if not read(at + _CONTROL, 2) & ENABLE:
            return None
        address = read(at + _ADDRESS, 4) | read(at + _ADDRESS + 4, 4) << 32
        return address, read(at + _DATA, 2)


class MsiX:
    """A table of `entries` messages in base address register `bar`, pending bits behind it."""

    def __init__(self, configuration: ConfigurationSpace, bar: int, entries: int) -> None:
        self._space = configuration
        self._entries = bytearray(struct.pack("<4I", 0, 0, 0, _MASKED) * entries)
        self._pending: set[int] = set()
        body = struct.pack("<HII", entries - 1, bar, len(self._entries) | bar)
        writable = struct.pack("<HII", X_ENABLE | X_MASK_ALL, 0, 0)
        self.offset = configuration.add_capability(MSI_X, body, writable)

    @property
    def enabled(self) -> bool:
        """Whether the function signals by this table."""
        return bool(self._space.read(self.offset + _CONTROL, 2) & X_ENABLE)

    def read(self, offset: int, size: int) -> int:
        """Load from the table or the pending bits."""
        if offset >= len(self._entries):
            bits = sum(1 << number for number in self._pending)
            return bits >> 8 * (offset - len(self._entries)) & (1 << 8 * size) - 1
        return int.from_bytes(self._entries[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Store to the table."""
        if offset + size <= len(self._entries):
            self._entries[offset : offset + size] = value.to_bytes(size, "little")

    def message(self, number: int) -> Message | None:
        """(address, data) of entry `number`; None (and pending, if masked) when it may not be sent."""
        if not self.enabled or (number + 1) * ENTRY_BYTES > len(self._entries):
            return None
        low, high, data, control = struct.unpack_from("<4I", self._entries, number * ENTRY_BYTES)
        if control & _MASKED or self._space.read(self.offset + _CONTROL, 2) & X_MASK_ALL:
            self._pending.add(number)
            return None
        return low | high << 32, data

    def unmasked(self) -> list[int]:
        """Entries that were pending and may be sent now; they are pending no more."""
        ready = [number for number in sorted(self._pending) if self._may_send(number)]
        self._pending.difference_update(ready)
        return ready

    def _may_send(self, number: int) -> bool:
        control = struct.unpack_from("<I", self._entries, number * ENTRY_BYTES + 12)[0]
        masked = self._space.read(self.offset + _CONTROL, 2) & X_MASK_ALL
        return self.enabled and not control & _MASKED and not masked

    def save(self) -> tuple[bytes, list[int]]:
        """Table and pending entries."""
        return bytes(self._entries), sorted(self._pending)

    def restore(self, saved: tuple[bytes, list[int]]) -> None:
        """Take over what `save` gave."""
        self._entries[:] = saved[0]
        self._pending = set(saved[1])
