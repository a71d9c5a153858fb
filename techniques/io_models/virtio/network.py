"""The virtio network device (specification 0.9.5, appendix C) on a link: queue 0 receives, queue 1 transmits."""

from __future__ import annotations

from functools import partial

from hardware_model import counters as counter_table
from hardware_model.devices.device import State
from hardware_model.devices.network.controller import FETCH
from hardware_model.devices.network.link import Link
from hardware_model.devices.network.station import CARD_ADDRESS
from hardware_model.devices.pci.configuration_space import Identity
from techniques.io_models.virtio.device import VENDOR, BackEnd, VirtioDevice
from techniques.io_models.virtio.virtqueue import Buffer

SLOT = 5
IDENTITY = Identity(VENDOR, 0x1000, 0x020000, subsystem=1 << 16 | VENDOR)
RECEIVE, TRANSMIT = 0, 1
HEADER_BYTES = 10
FEATURE_ADDRESS = 1 << 5
_SENT, _RECEIVED = counter_table.index("io.packet.sent"), counter_table.index("io.packet.received")
_DROPPED, _BY_VMM = (
    counter_table.index("io.packet.dropped"),
    counter_table.index("vmm.packet"),
)


class VirtioNetwork(VirtioDevice):
    """While frames leave, the back end looks at the queue by itself and wants no notification."""

    features = FEATURE_ADDRESS
    configuration_bytes = CARD_ADDRESS + b"\1\0"

    def __init__(self, link: Link, back_end: BackEnd) -> None:
        self.link = link
        self._earliest = 0
        super().__init__(SLOT, IDENTITY, 2, back_end)

    def reset(self) -> None:
        """Nothing is leaving."""
        self._leaving: tuple[int, Buffer, bytes] | None = None

    def notified(self, queue: int) -> None:
        """Frames to send; receive buffers are found when frames come."""
        if queue == TRANSMIT and self._leaving is None:
            self._start(self.back_end.now())

    def next_event(self) -> int | None:
        """When a frame has left, or the back end looks at those that have arrived."""
        due = (self._leaving[0] if self._leaving else None, self._look())
        return min((event for event in due if event is not None), default=None)

    def _look(self) -> int | None:
        arrival = self.link.far.next_frame()
        return None if arrival is None else max(arrival, self._earliest)

    def advance(self, now: int) -> None:
        """Let happen what is due."""
        if self._leaving is not None and self._leaving[0] <= now:
            self.guarded(lambda: self._frame_left(now))
        if (look := self._look()) is not None and look <= now:
            self._earliest = now + self.back_end.interval
            while (arrival := self.link.far.next_frame()) is not None and arrival <= now:
                frame = self.link.far.take_frame()
                self.guarded(partial(self._frame_arrived, frame))
        self.back_end.changed()

    def _start(self, now: int) -> None:
        queue = self.queues[TRANSMIT]
        queue.want_notification(False)
        buffer = queue.take()
        if buffer is None:
            queue.want_notification(True)
            return
        frame = self.read_buffer(buffer)[HEADER_BYTES:]
        self._leaving = self.link.start(len(frame), now + FETCH), buffer, frame

    def _frame_left(self, now: int) -> None:
        assert self._leaving is not None
        (_, buffer, frame), self._leaving = self._leaving, None
        self.link.far.receive(frame, now)
        self.count(_SENT)
        self.count(_BY_VMM)
        self.give_back(self.queues[TRANSMIT], buffer, 0)
        self._start(now)

    def _frame_arrived(self, frame: bytes) -> None:
        queue = self.queues[RECEIVE]
        queue.want_notification(False)  # buffers are looked for when a frame comes
        buffer = queue.take()
        if buffer is None:
            self.count(_DROPPED)
            return
        written = self.write_buffer(buffer, bytes(HEADER_BYTES) + frame)
        self.count(_RECEIVED)
        self.count(_BY_VMM)
        self.give_back(queue, buffer, written)

    def save(self) -> State:
        """Transport, wire and the frame that is leaving."""
        times = {"leaving": self._leaving, "earliest": self._earliest}
        return super().save() | times | {"link": self.link.save()}

    def restore(self, state: State) -> None:
        """Take over a saved state."""
        super().restore(state)
        self._leaving, self._earliest = state["leaving"], state["earliest"]
        self.link.restore(state["link"])
