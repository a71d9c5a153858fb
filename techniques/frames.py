"""Page frames of the VMM's own machine memory."""

from __future__ import annotations

from techniques.technique import GuestError


class OutOfFrames(GuestError):
    """The VMM's memory is used up: the guest cannot go on."""


class FrameAllocator:
    """Hands out 4 KiB frames of machine memory from [first, end)."""

    def __init__(self, first: int, end: int) -> None:
        self._free = list(range(end - 4096, first - 4096, -4096))

    def allocate(self) -> int:
        """Machine address of a free frame; OutOfFrames if there is none."""
        if not self._free:
            raise OutOfFrames("the VMM has no free frame left")
        return self._free.pop()

    def free(self, address: int) -> None:
        """Give a frame back."""
        self._free.append(address)

    @property
    def available(self) -> int:
        """Frames left."""
        return len(self._free)
