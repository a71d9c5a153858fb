"""The block back end (Xen public header `io/blkif.h`): a request names up to 11 granted frames, mapped meanwhile."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Protocol

from hardware_model import counters as counter_table
from hardware_model.devices.disk.content import SECTOR, DiskContent, access_time
from techniques.paravirtual import abi
from techniques.paravirtual.abi import GrantStatus
from techniques.paravirtual.backends.xenbus import Backend, DeviceState
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.grant_table import GrantedPage, GrantError
from techniques.paravirtual.xenstore import Store
from techniques.refusals import RefusalReason

_HEADER = struct.Struct("<BBH4xQQ")
_SEGMENT = struct.Struct("<IBBxx")
_RESPONSE = struct.Struct("<QBxh4x")
_SEGMENTS, _SECTORS_PER_PAGE = 11, 8
REQUEST_BYTES = _HEADER.size + _SEGMENTS * _SEGMENT.size
READ, WRITE, FLUSH = 0, 1, 3
OKAY, ERROR, NOT_SUPPORTED = 0, -1, -2
FIRST_DISK = 51712  # xvda
_REQUEST, _BY_VMM, _DOORBELL, _INTERRUPT = (
    counter_table.index(name)
    for name in ("io.disk.request", "vmm.disk_request", "io.doorbell", "io.interrupt")
)


class Grants(Protocol):
    """What the back end asks of a grant table."""

    def frame(self, reference: int) -> int:
        """Machine address of the frame that the guest's entry names."""

    def map(self, reference: int, *, write: bool) -> GrantedPage:
        """That frame's bytes, until `unmap`; GrantError if the grant is not good."""

    def unmap(self, page: GrantedPage) -> None:
        """The frame is used no longer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `segments` are (grant, first sector, last sector) within their frames."""

    operation: int
    identifier: int
    sector: int
    segments: tuple[tuple[int, int, int], ...]

    @classmethod
    def decode(cls, entry: bytes) -> Request:
        """From a ring entry; more segments than can be are cut off."""
        operation, count, _handle, identifier, sector = _HEADER.unpack_from(entry)
        segments = tuple(
            _SEGMENT.unpack_from(entry, _HEADER.size + n * _SEGMENT.size)
            for n in range(min(count, _SEGMENTS))
        )
        return cls(operation, identifier, sector, segments)

    @property
    def sectors(self) -> int:
        """How many sectors it moves."""
        return sum(last - first + 1 for _, first, last in self.segments)


class BlockBackend(Backend):
    """A disk with `content`; requests are served one after the other, in the time a drive takes."""

    kind = "vbd"
    ready = DeviceState.INITIALISED

    def __init__(
        self, domain: Domain, store: Store, content: DiskContent, counts: memoryview[int]
    ) -> None:
        super().__init__(domain, store, FIRST_DISK)
        self.content = content
        self.grants: Grants = domain.grants
        self.frame_sectors = _SECTORS_PER_PAGE  # that a request may name of a granted frame
        self._counts = counts
        self._at_work: tuple[int, Request] | None = None

    def front_offers(self) -> dict[str, str]:
        """Which disk it is."""
        return {"virtual-device": str(FIRST_DISK), "device-type": "disk"}

    def offers(self) -> dict[str, str]:
        """One ring page, flushes, no persistent grants."""
        return {"feature-flush-cache": "1", "max-ring-page-order": "0", "mode": "w"}

    def connect(self) -> None:
        """The ring, the channel, and the disk's size."""
        self._ring = self.ring("ring-ref", REQUEST_BYTES, _RESPONSE.size)
        self.bind()
        about = {"sectors": self.content.sectors, "sector-size": SECTOR, "info": 0}
        for name, value in about.items():
            self.store.write(f"{self.back}/{name}", str(value))

    def kicked(self) -> None:
        """There are requests."""
        self._counts[_DOORBELL] += 1
        if self._at_work is None:
            self._start()

    def _start(self) -> None:
        entry = self._ring.take()
        if entry is None and self._ring.want_event():
            entry = self._ring.take()
        if entry is None:
            return
        request = Request.decode(entry)
        self._at_work = self.domain.clock.now + access_time(request.sectors), request
        self.domain.clock.changed()

    def next_event(self) -> int | None:
        """When the request at work is done."""
        return self._at_work[0] if self._at_work else None

    def advance(self, now: int) -> None:
        """Finish the request that is due."""
        if self._at_work is None or self._at_work[0] > now or not self.rings:
            return
        (_, request), self._at_work = self._at_work, None
        status = self._perform(request)
        self._counts[_REQUEST] += 1
        self._counts[_BY_VMM] += 1
        self._ring.put(_RESPONSE.pack(request.identifier, request.operation, status))
        if self._ring.push():
            self._counts[_INTERRUPT] += 1
            self.notify()
        self._start()

    def _perform(self, request: Request) -> int:
        if request.operation == FLUSH:
            return OKAY
        if request.operation not in (READ, WRITE):
            return NOT_SUPPORTED
        if request.sector + request.sectors > self.content.sectors:
            return ERROR
        sector = request.sector
        for reference, first, last in request.segments:
            try:
                self._check_range(reference, first, last)
                self._move(request.operation, reference, first, last, sector)
            except GrantError as error:
                self.refused(error)
                return ERROR
            sector += last - first + 1
        return OKAY

    def _check_range(self, reference: int, first: int, last: int) -> None:
        """GrantError unless the sectors lie in the granted frame."""
        if first <= last < self.frame_sectors:
            return
        if last >= self.frame_sectors:
            beyond = self.grants.frame(reference) + abi.PAGE
            self.domain.refusals.record(RefusalReason.GRANT_SECTORS, beyond)
        raise GrantError(GrantStatus.BAD_COPY_ARGUMENT, f"sectors {first} to {last} of a frame")

    def _move(self, operation: int, reference: int, first: int, last: int, sector: int) -> None:
        """Sectors between the disk and one mapped frame, which the drive reaches by itself."""
        grants = self.grants
        page = grants.map(reference, write=operation == READ)
        try:
            for n in range(last - first + 1):
                at = (first + n) * SECTOR
                if operation == READ:
                    page.write(at, self.content.read(sector + n))
                else:
                    self.content.write(sector + n, page.read(at, SECTOR))
        finally:
            grants.unmap(page)
