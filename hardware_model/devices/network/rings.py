"""A descriptor ring in memory, as the 8254x keeps it: base, length, head and tail registers."""

from __future__ import annotations

from hardware_model.devices.network.registers import DESCRIPTOR_BYTES

BASE_LOW, BASE_HIGH, LENGTH, HEAD, TAIL = 0x00, 0x04, 0x08, 0x10, 0x18
_WIDTHS = {BASE_LOW: 0xFFFFFFF0, BASE_HIGH: 0xFFFFFFFF, LENGTH: 0xFFF80, HEAD: 0xFFFF, TAIL: 0xFFFF}


class DescriptorRing:
    """The device owns the descriptors from head to tail."""

    def __init__(self) -> None:
        self.registers = dict.fromkeys(_WIDTHS, 0)

    def write(self, register: int, value: int) -> None:
        """Store to a register at its offset within the ring's block."""
        if register in _WIDTHS:
            self.registers[register] = value & _WIDTHS[register]

    @property
    def entries(self) -> int:
        """Descriptors in the ring."""
        return self.registers[LENGTH] // DESCRIPTOR_BYTES

    @property
    def available(self) -> int:
        """Descriptors that the device owns."""
        if not self.entries:
            return 0
        return (self.registers[TAIL] - self.registers[HEAD]) % self.entries

    @property
    def head_address(self) -> int:
        """Where the descriptor at the head is."""
        base = self.registers[BASE_LOW] | self.registers[BASE_HIGH] << 32
        return base + self.registers[HEAD] * DESCRIPTOR_BYTES

    def advance(self) -> None:
        """The descriptor at the head is done; software may have taken the ring away meanwhile."""
        if self.entries:
            self.registers[HEAD] = (self.registers[HEAD] + 1) % self.entries
