"""How a device reaches memory and raises message-signalled interrupts: through whatever stands on its path.

Without VT-d the path is `DirectPath`: bus addresses are machine addresses. With VT-d it is the remapping unit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hardware_model.memory import MachineMemory


class DmaBlocked(Exception):
    """The request did not reach memory; the device sees an unsupported-request completion."""


class DmaPath(Protocol):
    """A device's way to memory. `source_id` is the requester: bus << 8 | device << 3 | function."""

    def read(self, source_id: int, address: int, size: int) -> bytes:
        """`size` bytes at bus address `address`; DmaBlocked if any of them may not be read."""

    def write(self, source_id: int, address: int, data: bytes) -> None:
        """Store `data` at bus address `address`; DmaBlocked if it may not; then nothing past that place is stored."""

    def message(self, source_id: int, address: int, data: int) -> None:
        """A message-signalled interrupt: a 32-bit write to 0xFEExxxxx; DmaBlocked if it is not let through."""


class DirectPath:
    """No remapping: bus addresses are machine addresses, messages go straight to the local APIC.

    `deliver(destination, vector)` takes a message's interrupt.
    """

    def __init__(self, memory: MachineMemory, deliver: Callable[[int, int], None]) -> None:
        self._memory = memory
        self._deliver = deliver

    def read(self, source_id: int, address: int, size: int) -> bytes:
        """Machine memory at `address`; blocked beyond its end."""
        try:
            return self._memory.read(address, size)
        except IndexError as error:
            raise DmaBlocked(str(error)) from None

    def write(self, source_id: int, address: int, data: bytes) -> None:
        """Store into machine memory at `address`; blocked beyond its end."""
        try:
            self._memory.write(address, data)
        except IndexError as error:
            raise DmaBlocked(str(error)) from None

    def message(self, source_id: int, address: int, data: int) -> None:
        """Deliver vector data[7:0] to the APIC named by address[19:12] (SDM vol. 3, 11.11)."""
        self._deliver(address >> 12 & 0xFF, data & 0xFF)
