"""A full-duplex Ethernet link of 1 Gbit/s between a network card and a station.

Each direction carries one frame at a time; around a frame come preamble, check sequence and gap (IEEE 802.3,
clauses 3.1 and 4.4.2). Time is virtual time, in nanoseconds.
"""

from __future__ import annotations

from typing import Protocol

from hardware_model.devices.device import State

NANOSECONDS_PER_BYTE = 8
AROUND_A_FRAME = 8 + 4 + 12  # preamble and start delimiter, frame check sequence, interpacket gap
PROPAGATION = 500
MINIMUM_FRAME, MAXIMUM_FRAME = 60, 1514


def wire_time(size: int) -> int:
    """How long a frame of `size` bytes, without its check sequence, occupies the wire."""
    return (max(size, MINIMUM_FRAME) + AROUND_A_FRAME) * NANOSECONDS_PER_BYTE


class Endpoint(Protocol):
    """Who is at the other end of the wire."""

    def next_frame(self) -> int | None:
        """When the endpoint's next frame has arrived here; None if it has none to send."""

    def take_frame(self) -> bytes:
        """That frame."""

    def receive(self, frame: bytes, now: int) -> None:
        """A frame sent here has left at `now`."""

    def save(self) -> State:
        """State as plain values."""

    def restore(self, state: State) -> None:
        """Take over a saved state."""


class Link:
    """The wire as a network card uses it: `busy_until` is when its sending direction is free."""

    def __init__(self, far: Endpoint) -> None:
        self.far = far
        self.busy_until = 0

    def start(self, size: int, now: int) -> int:
        """Begin to send a frame of `size` bytes as soon as the wire is free; when it will have left."""
        self.busy_until = max(self.busy_until, now) + wire_time(size)
        return self.busy_until

    def save(self) -> State:
        """The wire's and the far end's state."""
        return {"busy_until": self.busy_until, "far": self.far.save()}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        self.busy_until = state["busy_until"]
        self.far.restore(state["far"])
