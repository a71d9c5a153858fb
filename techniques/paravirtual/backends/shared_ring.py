"""A ring of requests and responses in one shared page (Xen public header `io/ring.h`).

    offset 0  request producer   4  request event   8  response producer   12  response event   64 ...  entries

Requests and responses take the same places. Whoever adds entries sends an event only if the other side's event index
says that it waits for one of them.
"""

from __future__ import annotations

import struct

from techniques.paravirtual import abi
from techniques.paravirtual.grant_table import GrantedPage
from techniques.refusals import RefusalReason, Refusals

_REQUEST_PRODUCER, _REQUEST_EVENT, _RESPONSE_PRODUCER, _RESPONSE_EVENT = 0, 4, 8, 12
_ENTRIES = 64
_MASK = 0xFFFFFFFF


class SharedRing:
    """The back end's view of a ring in `page`; `refusals` takes what it does not believe."""

    def __init__(
        self, page: GrantedPage, request_bytes: int, response_bytes: int, refusals: Refusals
    ) -> None:
        self.page = page
        self._refusals = refusals
        self._entry = max(request_bytes, response_bytes)
        self._request = request_bytes
        self.size = 1 << ((abi.PAGE - _ENTRIES) // self._entry).bit_length() - 1
        self._consumed = 0
        self._produced = 0
        self._told = 0

    def _index(self, at: int) -> int:
        return int(struct.unpack("<I", self.page.read(at, 4))[0])

    def _set_index(self, at: int, value: int) -> None:
        self.page.write(at, struct.pack("<I", value & _MASK))

    def _place(self, number: int) -> int:
        return _ENTRIES + number % self.size * self._entry

    def _waiting(self) -> int:
        """Requests that the front end says there are."""
        return self._index(_REQUEST_PRODUCER) - self._consumed & _MASK

    def take(self) -> bytes | None:
        """The next request; None if there is none. No more than the ring holds are believed."""
        waiting = self._waiting()
        if waiting > self.size:
            self._refusals.record(RefusalReason.RING_INDEX, self.page.address)
            return None
        if not waiting:
            return None
        request = self.page.read(self._place(self._consumed), self._request)
        self._consumed = self._consumed + 1 & _MASK
        return request

    def want_event(self) -> bool:
        """Ask for an event with the next request; whether one is there already (RING_FINAL_CHECK_FOR_REQUESTS)."""
        self._set_index(_REQUEST_EVENT, self._consumed + 1)
        return self._index(_REQUEST_PRODUCER) != self._consumed

    def put(self, response: bytes) -> None:
        """Add a response, unseen until `push`."""
        self.page.write(self._place(self._produced), response)
        self._produced = self._produced + 1 & _MASK

    def push(self) -> bool:
        """Show the responses added; whether the front end wants an event (RING_PUSH_RESPONSES_AND_CHECK_NOTIFY)."""
        old, self._told = self._told, self._produced
        self._set_index(_RESPONSE_PRODUCER, self._produced)
        event = self._index(_RESPONSE_EVENT)
        return (self._produced - event & _MASK) < (self._produced - old & _MASK)
