"""The network back end (Xen public header `io/netif.h`): frames are copied from and to granted frames of memory.

The transmit ring's requests each hold a part of a frame, the receive ring's an empty page each. Frames that come within
`interval` nanoseconds are handed over together, as a host's card moderates its interrupts.
"""

from __future__ import annotations

import struct

from hardware_model import counters as counter_table
from hardware_model.devices.network.link import MAXIMUM_FRAME, Link
from hardware_model.devices.network.station import CARD_ADDRESS
from techniques.paravirtual.backends.xenbus import Backend, DeviceState
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.grant_table import GrantError
from techniques.paravirtual.xenstore import Store

_TX_REQUEST = struct.Struct("<IHHHH")  # grant, offset, flags, id, size
_TX_RESPONSE = struct.Struct("<Hh")
_RX_REQUEST = struct.Struct("<HxxI")  # id, grant
_RX_RESPONSE = struct.Struct("<HHHh")  # id, offset, flags, status
MORE_DATA, EXTRA_INFO = 1 << 2, 1 << 3
OKAY, ERROR, DROPPED = 0, -1, -2
_SENT, _RECEIVED, _LOST, _BY_VMM, _DOORBELL, _INTERRUPT, _COALESCED = (
    counter_table.index(name)
    for name in (
        *("io.packet.sent", "io.packet.received", "io.packet.dropped"),
        *("vmm.packet", "io.doorbell", "io.interrupt", "io.interrupt.coalesced"),
    )
)


class NetworkBackend(Backend):
    """A network interface on `link`."""

    kind = "vif"
    ready = DeviceState.CONNECTED

    def __init__(
        self,
        domain: Domain,
        store: Store,
        link: Link,
        counts: memoryview[int],
        interval: int = 25_600,
    ) -> None:
        super().__init__(domain, store, 0)
        self.link = link
        self._counts = counts
        self._leaving: tuple[int, list[int], bytes] | None = None  # when, requests, frame
        self._earliest = 0
        self._interval = interval

    def front_offers(self) -> dict[str, str]:
        """The interface's address."""
        return {"handle": "0", "mac": ":".join(f"{byte:02x}" for byte in CARD_ADDRESS)}

    def offers(self) -> dict[str, str]:
        """Frames are copied to the receiver; no checksum or segmentation offload."""
        return {"feature-rx-copy": "1", "feature-rx-flip": "0", "handle": "0"}

    def connect(self) -> None:
        """Both rings and the channel."""
        self._tx = self.ring("tx-ring-ref", _TX_REQUEST.size, _TX_RESPONSE.size)
        self._rx = self.ring("rx-ring-ref", _RX_REQUEST.size, _RX_RESPONSE.size)
        self.bind()
        self.domain.clock.changed()

    def kicked(self) -> None:
        """Frames to send, or new empty pages."""
        self._counts[_DOORBELL] += 1
        if self._leaving is None:
            self._start()

    def _notify_if(self, wanted: bool, causes: int = 1) -> None:
        """Send the event that the front end waits for, if it does, for so many responses together."""
        if wanted:
            self._counts[_INTERRUPT] += 1
            self.notify()
        self._counts[_COALESCED] += causes - wanted

    # --- transmission -------------------------------------------------------------------------------
    def _start(self) -> None:
        """Put the next frame on the wire."""
        while (parts := self._take_parts()) is not None:
            frame = self._frame(parts)
            identifiers = [part[3] for part in parts]
            if frame is not None:
                left = self.link.start(len(frame), self.domain.clock.now)
                self._leaving = left, identifiers, frame
                self.domain.clock.changed()
                return
            self._answer(identifiers, ERROR)

    def _take_parts(self) -> list[tuple[int, ...]] | None:
        parts: list[tuple[int, ...]] = []
        while True:
            entry = self._tx.take()
            if entry is None and not parts and self._tx.want_event():
                entry = self._tx.take()
            if entry is None:
                return parts or None
            parts.append(_TX_REQUEST.unpack(entry))
            if not parts[-1][2] & MORE_DATA:
                return parts

    def _frame(self, parts: list[tuple[int, ...]]) -> bytes | None:
        """The parts copied together; None if they make no frame. The first one's size is that of the whole."""
        whole = parts[0][4]
        if whole > MAXIMUM_FRAME or any(part[2] & EXTRA_INFO for part in parts):
            return None
        sizes = [whole - sum(part[4] for part in parts[1:]), *(part[4] for part in parts[1:])]
        try:
            return b"".join(
                self.domain.grants.read(part[0], part[1], size)
                for part, size in zip(parts, sizes, strict=True)
            )
        except GrantError as error:
            self.refused(error)
            return None

    def _answer(self, identifiers: list[int], status: int) -> None:
        for identifier in identifiers:
            self._tx.put(_TX_RESPONSE.pack(identifier, status))
        self._notify_if(self._tx.push())

    # --- time ---------------------------------------------------------------------------------------
    def next_event(self) -> int | None:
        """When a frame has left, or the back end looks at those that have arrived."""
        if not self.rings:
            return None
        due = (self._leaving[0] if self._leaving else None, self._look())
        return min((event for event in due if event is not None), default=None)

    def _look(self) -> int | None:
        arrival = self.link.far.next_frame()
        return None if arrival is None else max(arrival, self._earliest)

    def advance(self, now: int) -> None:
        """Let happen what is due."""
        if not self.rings:
            return
        if self._leaving is not None and self._leaving[0] <= now:
            (_, identifiers, frame), self._leaving = self._leaving, None
            self.link.far.receive(frame, now)
            self._counts[_SENT] += 1
            self._counts[_BY_VMM] += 1
            self._answer(identifiers, OKAY)
            self._start()
        if (look := self._look()) is not None and look <= now:
            self._earliest = now + self._interval
            self._receive(now)

    def _receive(self, now: int) -> None:
        frames = 0
        while (arrival := self.link.far.next_frame()) is not None and arrival <= now:
            self._hand_over(self.link.far.take_frame())
            frames += 1
        self._notify_if(self._rx.push(), frames)

    def _hand_over(self, frame: bytes) -> None:
        entry = self._rx.take()
        if entry is None:
            self._counts[_LOST] += 1
            return
        identifier, reference = _RX_REQUEST.unpack(entry)
        status = len(frame)
        try:
            self.domain.grants.write(reference, 0, frame)
            self._counts[_RECEIVED] += 1
        except GrantError as error:
            self.refused(error)
            status = ERROR
        self._counts[_BY_VMM] += 1
        self._rx.put(_RX_RESPONSE.pack(identifier, 0, 0, status))
