"""The virtual-APIC page (SDM vol. 3C 29.1.1): registers of a local APIC in memory, at their offsets on the bus."""

from __future__ import annotations

from dataclasses import dataclass

from hardware_model.memory import MachineMemory

_VECTOR_WORDS, _STRIDE = 8, 16


@dataclass(frozen=True, slots=True)
class ApicPage:
    """The page at machine address `address`; offsets are those of `devices.local_apic`."""

    memory: MachineMemory
    address: int

    def register(self, offset: int) -> int:
        """A 32-bit register."""
        return self.memory.read64(self.address + offset) & 0xFFFFFFFF

    def set_register(self, offset: int, value: int, size: int = 4) -> None:
        """Store the low `size` bytes of a register."""
        self.memory.write(self.address + offset, value.to_bytes(size, "little"))

    def vectors(self, first: int) -> int:
        """The 256 bits of VISR or VIRR, whose first register is at `first`; bit n is vector n."""
        words = range(_VECTOR_WORDS)
        return sum(self.register(first + _STRIDE * n) << 32 * n for n in words)

    def set_vectors(self, first: int, bits: int) -> None:
        """As above."""
        for n in range(_VECTOR_WORDS):
            self.set_register(first + _STRIDE * n, bits >> 32 * n & 0xFFFFFFFF)
