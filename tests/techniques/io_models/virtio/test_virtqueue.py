"""The device's side of a virtqueue, against a driver's side written down here by the specification's layout."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from techniques.io_models.virtio.virtqueue import (
    NEXT,
    WRITE,
    BrokenQueue,
    Region,
    Suppression,
    Virtqueue,
)
from techniques.refusals import RefusalReason

ENTRIES, BASE = 8, 0x1000
AVAILABLE, USED = BASE + 16 * ENTRIES, BASE + 0x1000


class Driver:
    """The guest's memory, and what a driver does to its queue."""

    def __init__(self, suppression=Suppression.EVENT_INDEX):
        self.memory = bytearray(0x4000)
        self.queue = Virtqueue(self, ENTRIES)
        self.queue.reset(suppression)
        self.queue.base = BASE
        self.added = 0

    def load(self, address, size):
        return bytes(self.memory[address : address + size])

    def store(self, address, data):
        self.memory[address : address + len(data)] = data

    def describe(self, number, address, length, flags=0, following=0):
        self.store(BASE + 16 * number, struct.pack("<QIHH", address, length, flags, following))

    def add(self, head):
        self.store(AVAILABLE + 4 + 2 * (self.added % ENTRIES), struct.pack("<H", head))
        self.added += 1
        self.store(AVAILABLE + 2, struct.pack("<H", self.added & 0xFFFF))

    def want_interrupt_after(self, index):
        self.store(AVAILABLE + 4 + 2 * ENTRIES, struct.pack("<H", index & 0xFFFF))

    @property
    def used(self):
        return struct.unpack_from("<H", self.memory, USED + 2)[0]

    @property
    def avail_event(self):
        return struct.unpack_from("<H", self.memory, USED + 4 + 8 * ENTRIES)[0]


def test_a_queue_without_memory_has_nothing():
    driver = Driver()
    driver.queue.base = 0
    assert driver.queue.take() is None


def test_a_chain_is_followed_with_the_direction_of_each_region():
    driver = Driver()
    driver.describe(3, 0x100, 16, NEXT, 5)
    driver.describe(5, 0x200, 512, NEXT | WRITE, 1)
    driver.describe(1, 0x300, 1, WRITE)
    driver.add(3)
    taken = driver.queue.take()
    assert taken.head == 3
    assert taken.regions == (
        Region(0x100, 16, False),
        Region(0x200, 512, True),
        Region(0x300, 1, True),
    )
    assert driver.queue.take() is None


@pytest.mark.parametrize(
    ("following", "reason", "address"),
    [
        (0, RefusalReason.DESCRIPTOR_LOOP, BASE),
        (ENTRIES, RefusalReason.DESCRIPTOR_NUMBER, BASE + 16 * ENTRIES),
    ],
)
def test_a_chain_without_end_or_out_of_the_table_breaks_the_queue(following, reason, address):
    driver = Driver()
    driver.describe(0, 0x100, 1, NEXT, following)
    driver.add(0)
    with pytest.raises(BrokenQueue) as broken:
        driver.queue.take()
    assert (broken.value.reason, broken.value.address) == (reason, address)


@given(
    st.lists(st.integers(1, ENTRIES), min_size=1, max_size=20),
    st.sampled_from([0, 5, 0x7FFF, 0xFFF0, 0xFFFF]),
)
def test_every_buffer_comes_back_once_and_in_order_across_wraps(batches, start):
    driver = Driver()
    driver.added = driver.queue._taken = driver.queue._returned = start
    driver.store(AVAILABLE + 2, struct.pack("<H", start))
    driver.store(USED + 2, struct.pack("<H", start))
    for batch in batches:
        for head in range(batch):
            driver.describe(head, 0x100 * head, 4)
            driver.add(head)
        assert driver.queue.waiting == batch
        for head in range(batch):
            slot = USED + 4 + 8 * (driver.used % ENTRIES)
            driver.queue.give_back(driver.queue.take(), 7)
            assert struct.unpack_from("<II", driver.memory, slot) == (head, 7)
    assert driver.used == driver.added & 0xFFFF


@given(st.sampled_from([0, 5, 0x7FFF, 0xFFF0, 0xFFFF]), st.integers(1, ENTRIES))
def test_with_the_event_index_exactly_one_return_interrupts(start, ahead):
    driver = Driver()
    driver.added = driver.queue._taken = driver.queue._returned = start
    driver.want_interrupt_after(start + ahead - 1)
    for _ in range(ENTRIES):
        driver.describe(0, 0, 4)
        driver.add(0)
    wanted = [driver.queue.give_back(driver.queue.take(), 0) for _ in range(ENTRIES)]
    assert wanted == [n + 1 == ahead for n in range(ENTRIES)]


def test_with_flags_the_driver_is_interrupted_unless_it_says_no():
    driver = Driver(Suppression.FLAGS)
    for flag, wanted in ((0, True), (1, False)):
        driver.store(AVAILABLE, struct.pack("<H", flag))
        driver.describe(0, 0, 4)
        driver.add(0)
        assert driver.queue.give_back(driver.queue.take(), 0) is wanted


def test_notifications_are_asked_for_by_index_or_flag_or_always():
    indexed, flagged, always = (Driver(choice) for choice in Suppression)
    for driver in (indexed, flagged, always):
        driver.describe(0, 0, 4)
        driver.add(0)
        driver.queue.take()
        driver.queue.want_notification(False)
    assert indexed.avail_event == 0
    assert (flagged.memory[USED], always.memory[USED]) == (1, 0)
    for driver in (indexed, flagged, always):
        driver.queue.want_notification(True)
    assert indexed.avail_event == 1
    assert flagged.memory[USED] == 0
