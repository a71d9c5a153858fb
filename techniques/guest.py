"""A guest as its VMM holds it: a contiguous region of machine memory, an image, and the devices the guest sees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from hardware_model import boot
from hardware_model.boot import CpuState
from hardware_model.devices.local_apic import (
    LVT_EXTINT,
    LVT_LINT0,
    SPURIOUS_VECTOR,
    SVR,
    SVR_ENABLED,
)
from hardware_model.linux_boot import protocol
from hardware_model.linux_boot.protocol import Kernel
from hardware_model.memory import MachineMemory
from hardware_model.platform import Platform


class GuestMemory:
    """Guest-physical memory of `size` bytes at machine address `base`; `words`, live, for native code."""

    def __init__(self, memory: MachineMemory, base: int, size: int) -> None:
        self.base = base
        self.size = size
        self.words = memory.words(base, size)
        self._words = self.words.data  # an item of it costs a third of the array's
        self._bytes = self._words.cast("B")
        self._memory = memory
        self._write64 = memory.write64

    def read64(self, gpa: int) -> int:
        """The aligned 64-bit word at `gpa`."""
        return self._words[gpa >> 3]

    def write64(self, gpa: int, value: int) -> None:
        """Store the aligned 64-bit word at `gpa`."""
        self._write64(self.base + gpa, value)

    def machine_address(self, gpa: int) -> int | None:
        """Machine address of `gpa`; None where the guest has no RAM."""
        return self.base + gpa if 0 <= gpa < self.size else None

    def read(self, gpa: int, size: int) -> bytes:
        """`size` bytes from `gpa`; IndexError outside the guest's RAM."""
        if gpa < 0 or gpa + size > self.size:
            self._refuse(gpa, size)
        return self._bytes[gpa : gpa + size].tobytes()

    def write(self, gpa: int, data: bytes) -> None:
        """Store `data` at `gpa`; IndexError outside the guest's RAM."""
        if gpa < 0 or gpa + len(data) > self.size:
            self._refuse(gpa, len(data))
        self._memory.write(self.base + gpa, data)

    def _refuse(self, gpa: int, size: int) -> NoReturn:
        raise IndexError(
            f"guest-physical address {gpa:#x} + {size} lies outside the guest's {self.size:#x} bytes"
        )


class BootImage(Protocol):
    """What a guest boots, whatever the boot protocol: `symbols` (name to linear address), `ram_bytes` of memory."""

    @property
    def symbols(self) -> dict[str, int]:
        """Linear addresses by name, for lists of hot exits."""

    @property
    def ram_bytes(self) -> int:
        """Memory that the guest gets."""

    @property
    def disk(self) -> Path | None:
        """The file whose sectors the guest's disk holds; None: generated ones."""

    def load(self, memory: GuestMemory) -> CpuState:
        """Put the guest into its memory; the state the processor starts with."""

    def set_up_firmware(self, platform: Platform) -> None:
        """Leave the guest's devices as the firmware does that boots it."""


@dataclass(frozen=True, slots=True)
class GuestImage:
    """What a guest boots: flat `code`, `parameters`, `symbols` (name to linear address) and `ram_bytes` of memory."""

    code: bytes
    parameters: Sequence[int]
    symbols: dict[str, int]
    ram_bytes: int
    disk: Path | None = None

    def load(self, memory: GuestMemory) -> CpuState:
        """Put the image into guest memory; the state the processor starts with."""
        return boot.load(memory, self.ram_bytes, self.code, self.parameters)

    def set_up_firmware(self, platform: Platform) -> None:
        """Our own guests start at power-on state."""


@dataclass(frozen=True, slots=True)
class LinuxImage:
    """A Linux kernel with its ramdisk and command line, entered by the 64-bit boot protocol.

    `announces`: its program says its status when it ends, see `linux_outcome`.
    """

    kernel: Kernel
    find_symbols: Callable[[], dict[str, int]]
    ram_bytes: int
    announces: bool = False
    disk: Path | None = None

    @property
    def symbols(self) -> dict[str, int]:
        """The kernel's functions; finding them takes a while."""
        return self.find_symbols()

    def load(self, memory: GuestMemory) -> CpuState:
        """Put kernel, ramdisk and boot parameters into guest memory."""
        return protocol.load(memory, self.ram_bytes, self.kernel)

    def set_up_firmware(self, platform: Platform) -> None:
        """Virtual wire (MP specification 3.6.2.2): the local APIC is on and passes the 8259s' interrupts on."""
        platform.apic.write_register(SVR, 4, SVR_ENABLED | SPURIOUS_VECTOR)
        platform.apic.write_register(LVT_LINT0, 4, LVT_EXTINT)
