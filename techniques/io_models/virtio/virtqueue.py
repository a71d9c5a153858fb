"""The device's side of a split virtqueue (specification 0.9.5, section 2.3), in the guest's memory.

descriptors  address u64, length u32, flags u16, next u16
available    flags u16, index u16, heads u16 each, used_event u16
used         (from the next page on) flags u16, index u16, (head u32, written u32) each, avail_event u16
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from hardware_model.devices.device import State
from techniques.refusals import RefusalReason

PAGE = 4096
NEXT, WRITE = 1, 2
NO_INTERRUPT, NO_NOTIFY = 1, 1
DESCRIPTOR, _USED = 16, 8
MOST_BYTES = 4 << 20
"""Of a buffer: a device copies it as a whole, and a chain may name all of the guest's memory many times over."""


class Suppression(Enum):
    """How the two sides tell each other that they need not be told."""

    EVENT_INDEX = "event-index"
    FLAGS = "flags"
    OFF = "off"


class SharedMemory(Protocol):
    """The guest's memory as both sides share it."""

    def load(self, address: int, size: int) -> bytes:
        """`size` bytes; DmaBlocked where the guest has no memory."""

    def store(self, address: int, data: bytes) -> None:
        """Store `data`; DmaBlocked as above."""


@dataclass(frozen=True, slots=True)
class Region:
    """A piece of a buffer: `written` by the device, or read."""

    address: int
    length: int
    written: bool


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer that the driver made available, named by its first descriptor."""

    head: int
    regions: tuple[Region, ...]


class BrokenQueue(Exception):
    """The driver's descriptors make no sense; `reason` and the guest-physical `address` where there is one."""

    def __init__(
        self, sentence: str, reason: RefusalReason | None = None, address: int = 0
    ) -> None:
        super().__init__(sentence)
        self.reason, self.address = reason, address


class Virtqueue:
    """A queue of `entries`; `base` is 0 until the driver has given it memory."""

    def __init__(self, memory: SharedMemory, entries: int) -> None:
        self._memory = memory
        self.entries = entries
        self.reset(Suppression.FLAGS)

    def reset(self, suppression: Suppression) -> None:
        """As after power-on, with what was agreed about suppression."""
        self.suppression = suppression
        self.base = 0
        self.vector = 0xFFFF
        self._taken = 0
        self._returned = 0

    @property
    def _available(self) -> int:
        return self.base + self.entries * DESCRIPTOR

    @property
    def _used(self) -> int:
        end = self._available + 6 + 2 * self.entries
        return -(-end // PAGE) * PAGE

    def _load16(self, address: int) -> int:
        return int.from_bytes(self._memory.load(address, 2), "little")

    def _store16(self, address: int, value: int) -> None:
        self._memory.store(address, value.to_bytes(2, "little"))

    @property
    def waiting(self) -> int:
        """Buffers made available and not yet taken."""
        if not self.base:
            return 0
        return self._load16(self._available + 2) - self._taken & 0xFFFF

    def take(self) -> Buffer | None:
        """The oldest buffer not yet taken; BrokenQueue if its descriptors make no sense."""
        if not self.waiting:
            return None
        head = self._load16(self._available + 4 + 2 * (self._taken % self.entries))
        self._taken = self._taken + 1 & 0xFFFF
        regions = self._chain(head)
        if sum(region.length for region in regions) > MOST_BYTES:
            raise BrokenQueue(f"a buffer of more than {MOST_BYTES} bytes")
        return Buffer(head, tuple(regions))

    def _chain(self, number: int) -> list[Region]:
        regions = []
        for _ in range(self.entries):
            if number >= self.entries:
                raise BrokenQueue(
                    f"there is no descriptor {number}",
                    RefusalReason.DESCRIPTOR_NUMBER,
                    self._place(number),
                )
            region, number, more = self._descriptor(number)
            regions.append(region)
            if not more:
                return regions
        raise BrokenQueue(
            "a chain of descriptors is longer than the queue",
            RefusalReason.DESCRIPTOR_LOOP,
            self._place(number),
        )

    def _place(self, number: int) -> int:
        return self.base + number * DESCRIPTOR

    def _descriptor(self, number: int) -> tuple[Region, int, bool]:
        """A descriptor's region, the number of the next one, and whether there is one."""
        stored = self._memory.load(self._place(number), DESCRIPTOR)
        address, length, flags, following = struct.unpack("<QIHH", stored)
        return Region(address, length, bool(flags & WRITE)), following, bool(flags & NEXT)

    def give_back(self, buffer: Buffer, written: int) -> bool:
        """The buffer is used, `written` bytes of it; whether the driver wants to be interrupted."""
        old, used = self._returned, self._used
        entry = used + 4 + _USED * (old % self.entries)
        self._memory.store(entry, struct.pack("<II", buffer.head, written))
        self._returned = old + 1 & 0xFFFF
        self._store16(used + 2, self._returned)
        if self.suppression is Suppression.EVENT_INDEX:
            return self._load16(self._available + 4 + 2 * self.entries) == old
        return not self._load16(self._available) & NO_INTERRUPT

    def want_notification(self, wanted: bool) -> None:
        """Whether the driver should tell of the next buffer. To be followed by a look at `waiting`."""
        if not self.base:
            return
        if self.suppression is Suppression.EVENT_INDEX:
            event = self._taken if wanted else self._taken - 1 & 0xFFFF
            self._store16(self._used + 4 + _USED * self.entries, event)
        elif self.suppression is Suppression.FLAGS:
            self._store16(self._used, 0 if wanted else NO_NOTIFY)

    def save(self) -> State:
        """Where the queue is and how far it has come."""
        return {"queue": (self.suppression, self.base, self.vector, self._taken, self._returned)}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.suppression, self.base, self.vector, self._taken, self._returned = state["queue"]
