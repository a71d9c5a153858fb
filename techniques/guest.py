"""A guest as its VMM holds it: a contiguous region of machine memory, an image, and the devices the guest sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hardware_model import boot
from hardware_model.boot import CpuState
from hardware_model.memory import MachineMemory


class GuestMemory:
    """Guest-physical memory of `size` bytes at machine address `base`."""

    def __init__(self, memory: MachineMemory, base: int, size: int) -> None:
        self.base = base
        self.size = size
        self._memory = memory
        self._read64 = memory.read64
        self._write64 = memory.write64

    def read64(self, gpa: int) -> int:
        """The aligned 64-bit word at `gpa`."""
        return self._read64(self.base + gpa)

    def write64(self, gpa: int, value: int) -> None:
        """Store the aligned 64-bit word at `gpa`."""
        self._write64(self.base + gpa, value)

    def machine_address(self, gpa: int) -> int | None:
        """Machine address of `gpa`; None where the guest has no RAM."""
        return self.base + gpa if 0 <= gpa < self.size else None

    def read(self, gpa: int, size: int) -> bytes:
        """`size` bytes from `gpa`; IndexError outside the guest's RAM."""
        self._check(gpa, size)
        return self._memory.read(self.base + gpa, size)

    def write(self, gpa: int, data: bytes) -> None:
        """Store `data` at `gpa`; IndexError outside the guest's RAM."""
        self._check(gpa, len(data))
        self._memory.write(self.base + gpa, data)

    def _check(self, gpa: int, size: int) -> None:
        if gpa < 0 or gpa + size > self.size:
            raise IndexError(
                f"guest-physical address {gpa:#x} + {size} lies outside the guest's {self.size:#x} bytes"
            )


@dataclass(frozen=True, slots=True)
class GuestImage:
    """What a guest boots: flat `code`, `parameters`, `symbols` (name to linear address) and `ram_bytes` of memory."""

    code: bytes
    parameters: Sequence[int]
    symbols: dict[str, int]
    ram_bytes: int

    def load(self, memory: GuestMemory) -> CpuState:
        """Put the image into guest memory; the state the processor starts with."""
        return boot.load(memory, self.ram_bytes, self.code, self.parameters)
