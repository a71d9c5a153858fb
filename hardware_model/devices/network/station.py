"""The station at the far end of the wire: sends traffic on request, digests what it receives, reports.

It is spoken to by frames of ethertype 0x88B5 (IEEE 802 local experimental). Numbers are little-endian:

    14  u16 kind   1 request: send `count` frames of `size` bytes (to 1514) made from `seed`, `gap` ns apart or more
                   2 request: report on the data frames received so far
                   3 the report, of 72 bytes          4 data
    16  u32 count  24 u64 gap    32 u64 seed    40 u32 size                     (kind 1)
    16  u32 data frames received, 24 u64 their bytes, 32 their SHA-256 chained  (kind 3)
    16  u32 sequence number, from 24 on words of 64 bits                        (kind 4)

Word n of frame s made from seed r is output s * 256 + n of SplitMix64 started at r (`generated_data`).
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from hardware_model.devices.device import State
from hardware_model.devices.generated_data import words
from hardware_model.devices.network.link import (
    MAXIMUM_FRAME,
    MINIMUM_FRAME,
    PROPAGATION,
    wire_time,
)

ETHERTYPE = struct.pack(">H", 0x88B5)
SEND, REPORT_REQUEST, REPORT, DATA = 1, 2, 3, 4
HEADER = 24
STATION_ADDRESS, CARD_ADDRESS = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")
WORDS_PER_FRAME = 256
REPORT_BYTES = 72
_FROM_STATION = CARD_ADDRESS + STATION_ADDRESS + ETHERTYPE


def data_frame(seed: int, sequence: int, size: int) -> bytes:
    """Data frame number `sequence` of `size` bytes."""
    head = _FROM_STATION + struct.pack("<HII", DATA, sequence, 0)
    count = max(size - HEADER, 0) + 7 >> 3
    return (head + words(seed, sequence * WORDS_PER_FRAME, count))[:size]


class Stream(NamedTuple):
    """The frames still to come of one request, the next of which is number `sequence` and arrives at `arrival`.

    They are made when they are taken: a request may ask for four billion.
    """

    arrival: int
    step: int
    seed: int
    sequence: int
    frames: int
    size: int


class Station:
    """A traffic source, and a sink that counts data frames and chains a digest over them."""

    def __init__(self) -> None:
        self._queue: list[Stream] = []
        self._reports: list[tuple[int, bytes]] = []
        self._free = 0
        self.frames = 0
        self.bytes = 0
        self.digest = bytes(32)

    def next_frame(self) -> int | None:
        """When the next frame has arrived at the card."""
        if not self._queue:
            return self._reports[0][0] if self._reports else None
        due = self._queue[0].arrival
        return min(due, self._reports[0][0]) if self._reports else due

    def take_frame(self) -> bytes:
        """The next frame."""
        if self._reports and (not self._queue or self._reports[0][0] <= self._queue[0].arrival):
            return self._reports.pop(0)[1]
        arrival, step, seed, sequence, frames, size = self._queue.pop(0)
        if sequence + 1 < frames:
            rest = Stream(arrival + step, step, seed, sequence + 1, frames, size)
            self._queue.insert(0, rest)
        return data_frame(seed, sequence, size)

    def receive(self, frame: bytes, now: int) -> None:
        """A frame that left the card at `now`; frames that are too short or not understood are ignored."""
        if len(frame) < MINIMUM_FRAME or frame[12:14] != ETHERTYPE:
            return
        kind = struct.unpack_from("<H", frame, 14)[0]
        if kind == SEND:
            self._schedule(frame, now + PROPAGATION)
        elif kind == REPORT_REQUEST:
            self._report(now + PROPAGATION)
        elif kind == DATA:
            self.frames += 1
            self.bytes += len(frame)
            self.digest = hashlib.sha256(self.digest + frame).digest()

    def _arrival(self, size: int, now: int, step: int, count: int = 1) -> int:
        """When the first of `count` frames is here, which are sent every `step` ns, from `now` or a free wire on."""
        start = max(self._free, now)
        self._free = start + count * step
        return start + wire_time(size) + PROPAGATION

    def _schedule(self, frame: bytes, now: int) -> None:
        count, _, gap, seed, size = struct.unpack_from("<IIQQI", frame, 16)
        if count and size <= MAXIMUM_FRAME:
            step = max(wire_time(size), gap)
            arrival = self._arrival(size, now, step, count)
            self._queue.append(Stream(arrival, step, seed, 0, count, size))

    def _report(self, now: int) -> None:
        body = struct.pack("<HIIQ", REPORT, self.frames, 0, self.bytes) + self.digest
        frame = (_FROM_STATION + body).ljust(REPORT_BYTES, b"\0")
        arrival = self._arrival(len(frame), now, wire_time(len(frame)))
        self._reports.append((arrival, frame))

    def save(self) -> State:
        """Everything the station knows."""
        return {
            "queue": list(self._queue),
            "reports": list(self._reports),
            "free": self._free,
            "received": (self.frames, self.bytes, self.digest),
        }

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self._queue, self._reports = list(state["queue"]), list(state["reports"])
        self._free = state["free"]
        self.frames, self.bytes, self.digest = state["received"]
