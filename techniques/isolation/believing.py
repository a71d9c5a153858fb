"""VMMs that believe their guests: what the family isolation sets in place of those that check.

Of a back end, addresses, numbers and counts of the ring are used as they are. As many real back ends do, these copy
what a ring holds into an array of their own, which is as long as a ring that makes sense.
"""

from __future__ import annotations

from functools import partial

from hardware_model.memory import MachineMemory
from techniques.binary_translation import BinaryTranslation
from techniques.guest import GuestMemory
from techniques.io_models.modelled_path import ModelledPath
from techniques.io_models.paravirtual import GuestShared
from techniques.io_models.virtio import VirtioBlock
from techniques.io_models.virtio.virtqueue import DESCRIPTOR, Region, SharedMemory, Virtqueue
from techniques.paravirtual.backends import BlockBackend
from techniques.paravirtual.backends.shared_ring import SharedRing
from techniques.paravirtual.grant_table import GrantedPage, GrantTable
from techniques.refusals import Refusals
from techniques.technique import Technique

_SECTOR_NUMBERS = 256
"""A segment's last sector is a byte."""
_BEYOND = 4
"""Entries beyond its array that a believing back end goes on for; a watchdog may be thought to end it then."""


def believe(guest: Technique, array_end: int) -> None:
    """Have the back end of the guest's disk believe its ring; its array ends at machine address `array_end`."""
    host = guest.machine.memory
    match guest.para_virtual_disk:
        case VirtioBlock() as disk:
            memory = UncheckedMemory(host, guest.memory.base, guest.memory.size)
            disk.path = ModelledPath(guest, memory)
            shared = GuestShared(guest, memory)
            disk.queues = [BelievedQueue(shared, q.entries, host, array_end) for q in disk.queues]
        case BlockBackend() as disk:
            disk.grants = BelievedGrants(disk.domain.grants)
            disk.frame_sectors = _SECTOR_NUMBERS
            disk.ring_type = partial(BelievedRing, host, array_end)


def lend(guest: Technique, page: int) -> None:
    """Have the guest's VMM take the machine's frame `page` for its guest's, if the guest names it."""
    guest.map_foreign_frame(page)
    if isinstance(guest, BinaryTranslation):
        guest.source.beyond = guest.machine.memory  # what it runs it reads itself


class UncheckedMemory(GuestMemory):
    """The guest's memory without a look at its end: a guest-physical address is added to where it begins."""

    def read(self, gpa: int, size: int) -> bytes:
        """`size` bytes from `gpa`."""
        return self._memory.read(self.base + gpa, size)

    def write(self, gpa: int, data: bytes) -> None:
        """Store `data` at `gpa`."""
        self._memory.write(self.base + gpa, data)


class BelievedQueue(Virtqueue):
    """Descriptors are followed wherever their numbers lead, and as long as they name another."""

    def __init__(
        self, memory: SharedMemory, entries: int, host: MachineMemory, array_end: int
    ) -> None:
        super().__init__(memory, entries)
        self._host, self._array = host, array_end - entries * DESCRIPTOR

    def _chain(self, number: int) -> list[Region]:
        regions = []
        for entry in range(self.entries + _BEYOND):
            stored = self._memory.load(self._place(number), DESCRIPTOR)
            self._host.write(self._array + entry * DESCRIPTOR, stored)
            region, number, more = self._descriptor(number)
            regions.append(region)
            if not more:
                break
        return regions


class BelievedPage(GrantedPage):
    """A mapping that does not end with its frame."""

    def _check(self, offset: int, size: int) -> None:
        pass


class BelievedGrants:
    """Mapped is what the entry names, whoever's it is."""

    def __init__(self, grants: GrantTable) -> None:
        self._grants = grants
        self.frame = grants.frame

    def map(self, reference: int, *, write: bool) -> GrantedPage:
        """The frame, without a question."""
        return BelievedPage(self._grants, reference, self.frame(reference) >> 12, write)

    def unmap(self, page: GrantedPage) -> None:
        """Nothing was held."""


class BelievedRing(SharedRing):
    """All requests that are said to wait are copied before the first is served."""

    def __init__(
        self,
        host: MachineMemory,
        array_end: int,
        page: GrantedPage,
        request_bytes: int,
        response_bytes: int,
        refusals: Refusals,
    ) -> None:
        super().__init__(page, request_bytes, response_bytes, refusals)
        self._host, self._array = host, array_end - self.size * request_bytes

    def take(self) -> bytes | None:
        """The next request, as the array has it."""
        waiting = min(self._waiting(), self.size + _BEYOND)
        for entry in range(waiting):
            request = self.page.read(self._place(self._consumed + entry), self._request)
            self._host.write(self._array + entry * self._request, request)
        if not waiting:
            return None
        self._consumed = self._consumed + 1 & 0xFFFFFFFF
        return self._host.read(self._array, self._request)
