"""The far end of the wire."""

from __future__ import annotations

import hashlib
import struct

from hardware_model.devices.generated_data import split_mix, words
from hardware_model.devices.network.link import PROPAGATION, wire_time
from hardware_model.devices.network.station import (
    CARD_ADDRESS,
    ETHERTYPE,
    STATION_ADDRESS,
    Station,
    data_frame,
)

HEAD = STATION_ADDRESS + CARD_ADDRESS + ETHERTYPE


def request(count, size, gap):
    return (HEAD + struct.pack("<HIIQQI", 1, count, 0, gap, 7, size)).ljust(60, b"\0")


def test_split_mix_gives_the_published_sequence():
    assert words(1234567, 0, 3) == struct.pack(
        "<3Q", 6457827717110365317, 3203168211198807973, 9817491932198370423
    )
    assert split_mix(0) == 0


def test_frames_come_at_the_speed_of_the_wire_or_by_the_gap():
    for gap, step in ((0, wire_time(100)), (5000, 5000)):
        far = Station()
        far.receive(request(3, 100, gap), 1000)
        arrivals = []
        while far.next_frame() is not None:
            arrivals.append(far.next_frame())
            far.take_frame()
        first = 1000 + PROPAGATION + wire_time(100) + PROPAGATION
        assert arrivals == [first, first + step, first + 2 * step]


def test_the_report_gives_frames_bytes_and_the_chained_digest():
    far, digest = Station(), bytes(32)
    for n in range(3):
        frame = data_frame(9, n, 200)
        far.receive(frame, 0)
        digest = hashlib.sha256(digest + frame).digest()
    far.receive((HEAD + struct.pack("<H", 2)).ljust(60, b"\0"), 0)
    report = far.take_frame()
    assert struct.unpack_from("<HIIQ", report, 14) == (3, 3, 0, 600)
    assert report[32:64] == digest


def test_short_and_foreign_frames_are_ignored():
    far = Station()
    far.receive(data_frame(1, 0, 59), 0)
    far.receive(data_frame(1, 0, 64).replace(ETHERTYPE, b"\x08\x00"), 0)
    assert far.frames == 0


def test_four_billion_frames_are_asked_for_and_made_one_by_one():
    far = Station()
    far.receive(request((1 << 32) - 1, 1514, (1 << 64) - 1), 0)
    assert [far.take_frame() for _ in range(3)] == [data_frame(7, n, 1514) for n in range(3)]
    assert len(far.save()["queue"]) == 1


def test_frames_that_no_wire_carries_are_not_sent():
    far = Station()
    far.receive(request(1, 1515, 0), 0)
    far.receive(request(0, 100, 0), 0)
    assert far.next_frame() is None
