"""The network card: rings, time on the wire, interrupts and their moderation."""

from __future__ import annotations

import itertools
import struct

import pytest

from hardware_model.devices.network import link, station
from hardware_model.devices.network.controller import BASE, FETCH, SLOT

RX_RING, TX_RING, BUFFERS = 0x1000, 0x2000, 0x10000
VECTOR = 0x23


@pytest.fixture
def card(bench):
    bench.enable(SLOT, VECTOR)
    bus = bench.platform.bus

    def write(register, value):
        bus.write(BASE + register, 4, value)

    for n in range(8):
        struct.pack_into("<Q", bench.memory.content, RX_RING + 16 * n, BUFFERS + 2048 * n)
    write(0x2800, RX_RING)
    write(0x2808, 128)
    write(0x2818, 7)
    write(0x3800, TX_RING)
    write(0x3808, 128)
    write(0x100, 2)
    write(0x400, 2)
    bench.write = write
    bench.read = lambda register: bus.read(BASE + register, 4)
    bench.sent = 0
    return bench


def send(bench, *frames):
    for frame in frames:
        at = 0x80000 + 2048 * bench.sent
        bench.memory.content[at : at + len(frame)] = frame
        descriptor = struct.pack("<QHBBBBH", at, len(frame), 0, 0x0B, 0, 0, 0)
        where = TX_RING + 16 * (bench.sent % 8)
        bench.memory.content[where : where + 16] = descriptor
        bench.sent += 1
    bench.write(0x3818, bench.sent % 8)


def request(count, size, gap=0):
    head = station.STATION_ADDRESS + station.CARD_ADDRESS + station.ETHERTYPE
    return (head + struct.pack("<HIIQQI", 1, count, 0, gap, 7, size)).ljust(60, b"\0")


def test_a_frame_leaves_when_the_wire_has_carried_it(card):
    send(card, station.data_frame(1, 0, 1000))
    assert card.platform.next_event() == FETCH + link.wire_time(1000) == 300 + 1024 * 8
    card.pass_time()
    assert card.devices.station.frames == 1
    assert card.devices.station.bytes == 1000
    assert card.memory.content[TX_RING + 12] == 1


def test_one_message_is_sent_for_causes_that_nobody_has_read(card):
    card.write(0xD0, 0x80)
    send(card, request(3, 64))
    card.pass_time()
    assert card.memory.messages == [(SLOT << 3, 0xFEE00000, VECTOR)]
    assert (card.count("io.interrupt"), card.count("io.interrupt.coalesced")) == (1, 2)
    assert card.read(0xC0) & 0x80
    assert card.read(0xC0) == 0


def test_moderation_holds_back_the_second_message(card):
    card.write(0xC4, 100)
    card.write(0xD0, 0x80)
    send(card, request(2, 64))
    arrivals = []
    while card.platform.next_event() is not None:
        before = len(card.memory.messages)
        card.pass_time(card.platform.next_event())
        card.read(0xC0)
        if len(card.memory.messages) > before:
            arrivals.append(card.now)
    assert len(arrivals) == 1  # the cause was read before the interval ended
    assert card.count("io.packet.received") == 2


def messages(card, interval, cause):
    """Times of the messages while causes come and are read at once."""
    card.write(0xC4, interval)
    card.write(0xD0, cause)
    times, seen = [], 0
    while card.platform.next_event() is not None:
        card.pass_time(card.platform.next_event())
        if len(card.memory.messages) > seen:
            seen = len(card.memory.messages)
            times.append(card.now)
            card.read(0xC0)
    return times


@pytest.mark.parametrize(("interval", "expected"), [(0, 7), (20, 4), (1000, 2)])
def test_moderation_spaces_the_messages_of_frames_received(card, interval, expected):
    """Seven frames, 2,000 ns apart; the interval is in units of 256 ns."""
    send(card, request(7, 64, gap=2000))
    times = messages(card, interval, 0x80)
    assert card.count("io.packet.received") == 7
    assert len(times) == expected
    assert all(later - before >= 256 * interval for before, later in itertools.pairwise(times))


@pytest.mark.parametrize(("interval", "expected"), [(0, 5), (8, 3), (20, 2)])
def test_moderation_spaces_the_messages_of_frames_sent(card, interval, expected):
    """Five frames that report their being sent, each 512 ns and more on the wire."""
    send(card, *(station.data_frame(1, n, 64) for n in range(5)))
    times = messages(card, interval, 0x01)
    assert card.devices.station.frames == 5
    assert len(times) == expected
    assert all(later - before >= 256 * interval for before, later in itertools.pairwise(times))


def test_frames_arrive_in_order_with_their_data(card):
    send(card, request(3, 100))
    card.pass_time()
    for n in range(3):
        length, _, status = struct.unpack_from("<HHB", card.memory.content, RX_RING + 16 * n + 8)
        assert (length, status) == (100, 3)
        frame = bytes(card.memory.content[BUFFERS + 2048 * n :][:100])
        assert frame == station.data_frame(7, n, 100)


def test_frames_without_a_buffer_are_dropped_and_counted(card):
    send(card, request(9, 64))
    card.pass_time()
    assert card.count("io.packet.received") == 7
    assert card.read(0x4010) == card.count("io.packet.dropped") == 2


def test_a_blocked_access_stops_the_card(card):
    card.memory.blocked.add(0x80)
    send(card, station.data_frame(1, 0, 64))
    card.pass_time()
    assert card.read(0x400) == 0
    assert card.devices.station.frames == 0


def test_without_bus_mastering_nothing_reaches_memory(card):
    card.configure(SLOT, 4, 3)
    before = bytes(card.memory.content)
    send(card, request(1, 64))
    card.pass_time()
    assert card.memory.content[:0x2000] == before[:0x2000]
    assert card.devices.station.frames == 0


def test_a_reset_stops_what_was_leaving(card):
    send(card, station.data_frame(1, 0, 64))
    card.write(0, 1 << 26)
    card.pass_time()
    assert card.devices.station.frames == 0


def test_a_card_restored_in_the_middle_goes_on_alike(card):
    card.write(0xD0, 0x80)
    send(card, request(4, 500, gap=9000))
    card.pass_time(15_000)
    saved, memory, now = card.devices.bridge.save(), bytes(card.memory.content), card.now
    card.pass_time()
    ended = card.devices.bridge.save(), bytes(card.memory.content)
    card.devices.bridge.restore(saved)
    card.platform.forget_events()
    card.memory.content[:], card.now = memory, now
    card.pass_time()
    assert (card.devices.bridge.save(), bytes(card.memory.content)) == ended


def test_a_ring_that_is_taken_away_while_a_frame_leaves_stays_empty(card):
    send(card, station.data_frame(1, 0, 1000))
    card.write(0x3808, 0)
    card.pass_time()
    assert card.devices.station.frames == 1
    assert card.read(0x3810) == 0
    assert card.platform.next_event() is None
