"""What the shadow pager needs of the machine and of its VMM."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class GuestMemory(Protocol):
    """Guest-physical memory: one contiguous region of machine memory."""

    @property
    def size(self) -> int:
        """Bytes of RAM; guest-physical RAM starts at 0."""

    @property
    def words(self) -> npt.NDArray[np.uint64]:
        """The aligned 64-bit words of RAM, live, for native code."""

    def read64(self, gpa: int) -> int:
        """The aligned 64-bit word at guest-physical `gpa`."""

    def write64(self, gpa: int, value: int) -> None:
        """Store the aligned 64-bit word at guest-physical `gpa`."""

    def machine_address(self, gpa: int) -> int | None:
        """Machine address of `gpa`; None where the guest has no RAM."""


class MachineMemory(Protocol):
    """Machine memory, where the shadow tables lie."""

    def read64(self, pa: int, /) -> int:
        """The aligned 64-bit word at machine address `pa`."""

    def write64(self, pa: int, value: int, /) -> None:
        """Store the aligned 64-bit word at machine address `pa`."""

    def zero_page(self, pa: int, /) -> None:
        """Clear the 4 KiB frame at machine address `pa`."""


class FrameAllocator(Protocol):
    """The limited pool of machine frames for shadow tables."""

    @property
    def available(self) -> int:
        """Frames left."""

    def allocate(self) -> int:
        """Machine address of a free frame; the pager never asks when `available` is 0."""

    def free(self, address: int, /) -> None:
        """Take a frame back."""


class Tlb(Protocol):
    """The processor's TLB, as the VMM can invalidate it."""

    def invalidate_page(self, va: int) -> None:
        """INVLPG: drop translations of `va`, global ones included, and all cached walks."""

    def flush(self) -> None:
        """Drop every translation, global ones included, and all cached walks."""
