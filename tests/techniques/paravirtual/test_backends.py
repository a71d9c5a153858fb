"""Block and network back ends against front ends that are played here: rings, grants, times, and what is refused."""

from __future__ import annotations

import struct

import pytest

from hardware_model import counters
from hardware_model.devices.disk import DiskContent
from hardware_model.devices.network import Link, Station
from hardware_model.devices.network.station import CARD_ADDRESS, STATION_ADDRESS
from hardware_model.executor import words as W
from hardware_model.machine import Machine
from techniques.frames import FrameAllocator
from techniques.guest import GuestMemory
from techniques.paravirtual.abi import ChannelStatus
from techniques.paravirtual.backends import Backend, BlockBackend, DeviceState, NetworkBackend
from techniques.paravirtual.domain import Domain
from techniques.paravirtual.event_channels import Channel
from techniques.paravirtual.xenstore import Store

VMM, MEMORY = 4 << 20, 4 << 20
PORT = 5


class Front:
    """A domain of which only memory, grants and channels exist."""

    def __init__(self) -> None:
        self.machine = Machine(VMM + MEMORY)
        self.memory = GuestMemory(self.machine.memory, VMM, MEMORY)
        self.domain = Domain(self.machine, self.memory, FrameAllocator(0x1000, VMM))
        self.store = Store()
        self.domain.grants.grow(1)
        self.domain.events.channels[PORT] = Channel(ChannelStatus.UNBOUND, domain=0)
        self.front = ""

    def grant(self, reference: int, pfn: int, flags: int = 1) -> None:
        at = self.domain.grants.frames[0] + 8 * reference
        self.machine.memory.write(at, struct.pack("<HHI", flags, 0, self.domain.mfn(pfn)))

    def say(self, **values: int) -> None:
        for name, value in values.items():
            self.store.write(f"{self.front}/{name.replace('_', '-')}", str(value))

    def start(self, back: Backend, **values: int) -> None:
        back.announce()
        self.domain.clock.timed.append(back)
        self.front = back.front
        self.say(event_channel=PORT, **values)
        self.say(state=back.ready)

    def put(self, pfn: int, number: int, entry: bytes) -> None:
        """Request `number` in the ring on frame `pfn`."""
        self.memory.write((pfn << 12) + 64 + number * len(entry), entry)
        self.memory.write(pfn << 12, struct.pack("<I", number + 1))

    def kick(self) -> None:
        self.domain.events.listeners[PORT]()

    def pass_time(self) -> None:
        """To the next event, which happens."""
        due = self.domain.clock.next_event()
        assert due is not None
        self.machine.words[W.CLOCK] = max(due, self.machine.now)
        self.domain.clock.interrupt()

    def notified(self) -> bool:
        pending = self.domain.shared.channel_pending(PORT)
        self.domain.shared.set_channel_pending(PORT, False)
        return pending

    def counts(self) -> dict[str, int]:
        return counters.as_dict(self.machine.counters)


RING, DATA = 100, 200


def disk() -> tuple[Front, BlockBackend]:
    front = Front()
    back = BlockBackend(front.domain, front.store, DiskContent(), front.machine.counters.data)
    front.grant(1, RING)
    front.memory.write(RING << 12, struct.pack("<4I", 0, 1, 0, 1))
    front.start(back, ring_ref=1)
    assert front.notified()  # binding tells the guest once
    return front, back


def request(operation: int, identifier: int, sector: int, *segments: tuple[int, int, int]) -> bytes:
    head = struct.pack("<BBH4xQQ", operation, len(segments), 0, identifier, sector)
    return (head + b"".join(struct.pack("<IBBxx", *s) for s in segments)).ljust(112, b"\0")


def response(front: Front, number: int) -> tuple[int, int, int]:
    return struct.unpack("<QBxh", front.memory.read((RING << 12) + 64 + number * 112, 12))


def test_a_disk_is_announced_and_connects_when_the_front_end_is_ready() -> None:
    front, back = disk()
    assert back.state == DeviceState.CONNECTED
    assert front.store.text(f"{back.back}/sectors") == str(DiskContent().sectors)
    assert front.store.text(f"{back.front}/backend") == back.back


def test_sectors_are_read_into_granted_frames_after_the_drives_time() -> None:
    front, _ = disk()
    front.grant(2, DATA)
    front.put(RING, 0, request(0, 77, 6, (2, 1, 3)))
    front.kick()
    assert not front.notified()
    front.pass_time()
    assert front.machine.now == 20_000 + 3 * 1024
    assert response(front, 0) == (77, 0, 0)
    assert front.notified()
    expected = b"".join(DiskContent().read(6 + n) for n in range(3))
    assert front.memory.read((DATA << 12) + 512, 3 * 512) == expected
    counts = front.counts()
    assert (counts["pv.grant_mapped"], counts["pv.grant_unmapped"]) == (2, 1)  # the ring stays
    assert counts["io.disk.request"] == 1


def test_what_was_written_is_read_again() -> None:
    front, back = disk()
    front.grant(2, DATA, flags=5)  # for reading only: enough to write to the disk
    front.memory.write(DATA << 12, b"\xab" * 512)
    front.put(RING, 0, request(1, 1, 9, (2, 0, 0)))
    front.kick()
    front.pass_time()
    assert response(front, 0)[2] == 0
    assert back.content.read(9) == b"\xab" * 512


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        (request(0, 1, 0, (3, 0, 0)), -1),  # no such grant
        (request(0, 1, 0, (2, 0, 7)), -1),  # a grant for reading only
        (request(1, 1, DiskContent().sectors, (2, 0, 0)), -1),  # behind the end
        (request(1, 1, 0, (2, 3, 2)), -1),  # no sectors
        (request(1, 1, 0, (2, 0, 8)), -1),  # not in the page
        (request(9, 1, 0, (2, 0, 0)), -2),
        (request(3, 1, 0), 0),  # flush
    ],
)
def test_requests_that_cannot_be_done_end_in_an_error(entry: bytes, status: int) -> None:
    front, _ = disk()
    front.grant(2, DATA, flags=5)
    front.put(RING, 0, entry)
    front.kick()
    front.pass_time()
    assert response(front, 0)[2] == status


def test_a_ring_that_is_not_granted_closes_the_device_with_a_sentence() -> None:
    front = Front()
    back = BlockBackend(front.domain, front.store, DiskContent(), front.machine.counters.data)
    front.start(back, ring_ref=9)
    assert back.state == DeviceState.CLOSED
    assert "no access" in front.store.text(f"{back.back}/error")


def test_a_closed_device_gives_its_ring_back_and_hears_nothing() -> None:
    front, back = disk()
    front.say(state=DeviceState.CLOSING)
    assert back.state == DeviceState.CLOSING
    assert front.counts()["pv.grant_unmapped"] == 1
    front.kick()


def test_a_device_closes_in_step_with_its_front_end() -> None:
    """A Linux that shuts down looks for the state between, and waits five seconds for it otherwise."""
    front, back = disk()
    for state in (DeviceState.CLOSING, DeviceState.CLOSED):
        front.say(state=state)
        assert back.state == state
        assert front.store.text(f"{back.back}/state") == str(int(state))


TX, RX = 101, 102


def network() -> tuple[Front, Station]:
    front, station = Front(), Station()
    back = NetworkBackend(front.domain, front.store, Link(station), front.machine.counters.data)
    for reference, pfn in ((1, TX), (2, RX), (3, DATA), (4, DATA + 1)):
        front.grant(reference, pfn)
        front.memory.write(pfn << 12, struct.pack("<4I", 0, 1, 0, 1))
    front.start(back, tx_ring_ref=1, rx_ring_ref=2)
    assert back.state == DeviceState.CONNECTED
    front.notified()
    return front, station


def frame(kind: int) -> bytes:
    head = STATION_ADDRESS + CARD_ADDRESS + b"\x88\xb5" + struct.pack("<HI", kind, 0)
    return head.ljust(64, b"\0")


def test_a_frame_leaves_and_the_answer_comes_into_a_granted_page() -> None:
    front, _ = network()
    front.memory.write((DATA << 12) + 100, frame(2))  # asks for a report
    front.put(RX, 0, struct.pack("<HxxI", 42, 4))
    front.put(TX, 0, struct.pack("<IHHHH", 3, 100, 0, 7, 64))
    front.kick()
    front.pass_time()
    assert struct.unpack("<Hh", front.memory.read((TX << 12) + 64, 4)) == (7, 0)
    front.pass_time()
    identifier, offset, flags, size = struct.unpack("<HHHh", front.memory.read((RX << 12) + 64, 8))
    assert (identifier, offset, flags, size) == (42, 0, 0, 72)
    assert front.memory.read((DATA + 1 << 12) + 12, 4) == b"\x88\xb5\x03\0"
    assert front.notified()
    counts = front.counts()
    assert (counts["io.packet.sent"], counts["io.packet.received"]) == (1, 1)
    assert counts["pv.grant_copy.bytes"] == 64 + 72


def test_a_frame_in_parts_is_put_together() -> None:
    front, station = network()
    whole = frame(4)
    front.memory.write(DATA << 12, whole[:20])
    front.memory.write(DATA + 1 << 12, whole[20:])
    front.put(TX, 0, struct.pack("<IHHHH", 3, 0, 4, 7, 64))
    front.put(TX, 1, struct.pack("<IHHHH", 4, 0, 0, 8, 44))
    front.kick()
    front.pass_time()
    assert (station.frames, station.bytes) == (1, 64)


def test_a_frame_without_an_empty_page_is_lost() -> None:
    front, _ = network()
    front.memory.write(DATA << 12, frame(2))
    front.put(TX, 0, struct.pack("<IHHHH", 3, 0, 0, 7, 64))
    front.kick()
    front.pass_time()
    front.pass_time()
    assert front.counts()["io.packet.dropped"] == 1


def test_a_frame_too_long_or_not_granted_is_refused() -> None:
    front, station = network()
    front.put(TX, 0, struct.pack("<IHHHH", 3, 0, 0, 7, 1600))
    front.put(TX, 1, struct.pack("<IHHHH", 9, 0, 0, 8, 64))
    front.kick()
    answers = [struct.unpack("<Hh", front.memory.read((TX << 12) + 64 + 12 * n, 4)) for n in (0, 1)]
    assert answers == [(7, -1), (8, -1)]
    assert station.frames == 0
