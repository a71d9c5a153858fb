"""Virtio devices driven by a guest that misbehaves: they wait for their reset, and nothing else happens."""

from __future__ import annotations

import struct

import pytest

import techniques
import workloads
from hardware_model import counters
from hardware_model.machine import Machine
from techniques.io_models import connect
from techniques.io_models.virtio import block, network
from techniques.io_models.virtio.virtqueue import MOST_BYTES
from techniques.knobs import resolve
from techniques.runner import guest_image

QUEUE = 0x100000


@pytest.fixture
def card():
    return device(network.SLOT, queue=1)


@pytest.fixture
def disk():
    return device(block.SLOT, queue=0)


def device(slot, queue):
    kind = techniques.find("hvm-ept")
    image = guest_image(workloads.find("io/doorbells"), "small")
    guest = kind(Machine(kind.vmm_bytes + (4 << 20)), image, resolve(kind.name, kind.knobs, {}))
    connect(guest, "paravirtual")
    bus = guest.platform.bus
    bus.write_port(0xCF8, 4, 1 << 31 | slot << 11 | 4)
    bus.write_port(0xCFC, 4, 7)
    ports = 0xC100 + 0x40 * slot
    guest.write = lambda offset, size, value: bus.write_port(ports + offset, size, value)
    guest.read = lambda offset, size: bus.read_port(ports + offset, size)
    guest.write(14, 2, queue)
    guest.write(8, 4, QUEUE >> 12)
    guest.write(18, 1, 7)
    return guest


def offer(guest, descriptors, queue=1):
    guest.memory.write(QUEUE, descriptors)
    guest.memory.write(QUEUE + 0x800, struct.pack("<HHH", 0, 1, 0))
    guest.write(16, 2, queue)


def test_the_transport_says_what_it_has(card):
    assert card.read(0, 4) == 1 << 29 | 1 << 5
    assert card.read(12, 2) == 128
    assert card.read(20, 4).to_bytes(4, "little") == bytes.fromhex("02000000")


def enable_messages(guest):
    """MSI-X on, with entry 0 (still masked) to vector 0x40; the table is at 0xFE100000 + slot pages."""
    bus, table = guest.platform.bus, 0xFE100000 + 0x1000 * network.SLOT
    function = 1 << 31 | network.SLOT << 11
    bus.write_port(0xCF8, 4, function | 0x34)
    capability = bus.read_port(0xCFC, 1)
    bus.write_port(0xCF8, 4, function | capability)
    bus.write_port(0xCFC, 4, 0x8000 << 16)
    bus.write(table, 4, 0xFEE00000)
    bus.write(table + 8, 4, 0x40)
    return table


def test_vectors_push_the_configuration_back_while_messages_are_enabled(card):
    """Specification 0.9.5, section 2.3.1: the two vector registers exist only then."""
    enable_messages(card)
    assert card.read(24, 4).to_bytes(4, "little") == bytes.fromhex("02000000")


def test_a_driver_reads_back_whether_it_got_its_vector(card):
    """Section 2.3.1.4: NO_VECTOR (0xFFFF) where mapping failed."""
    enable_messages(card)
    assert card.read(20, 2) == card.read(22, 2) == 0xFFFF
    for register in (20, 22):
        for vector, got in ((1, 1), (2, 2), (3, 0xFFFF), (0xFFFF, 0xFFFF)):
            card.write(register, 2, vector)
            assert card.read(register, 2) == got


@pytest.mark.parametrize("how", ["entry", "function"])
def test_a_message_that_waited_is_sent_when_it_is_unmasked(card, how):
    table = enable_messages(card)
    bus, apic = card.platform.bus, card.platform.apic
    apic.write_register(0xF0, 4, 0x1FF)
    if how == "function":
        bus.write(table + 12, 4, 0)
        bus.write_port(0xCFC, 4, 0xC000 << 16)
    card.write(22, 2, 0)
    offer(card, struct.pack("<QIHH", 0x1000, 74, 0, 0))
    bridge = card.platform.further[-1]
    bridge.advance(1_000_000)
    assert apic.pending_class == 0
    if how == "function":
        bus.write_port(0xCFC, 4, 0x8000 << 16)
    else:
        bus.write(table + 12, 4, 0)
    assert apic.pending_class == 4


def test_a_frame_without_end_makes_the_device_wait_for_its_reset(card):
    offer(card, struct.pack("<QIHH", 0x1000, 64, 1, 0))
    assert card.read(18, 1) == 0x47
    card.write(18, 1, 0)
    assert card.read(18, 1) == 0


def test_a_frame_outside_the_guests_memory_is_not_read(card):
    offer(card, struct.pack("<QIHH", card.memory.size, 64, 0, 0))
    assert card.read(18, 1) == 0x47
    assert card.machine.counters[counters.index("vmm.bytes_copied")] == 0


def test_a_frame_of_all_memory_many_times_over_is_not_read(card):
    """A chain of regions that are each within the guest's memory: the VMM copies none of it."""
    size = card.memory.size - 0x1000
    chain = [struct.pack("<QIHH", 0x1000, size, n < 63, n + 1) for n in range(64)]
    assert 64 * size > MOST_BYTES
    offer(card, b"".join(chain))
    assert card.read(18, 1) == 0x47
    assert card.machine.counters[counters.index("vmm.bytes_copied")] == 0


@pytest.mark.parametrize("flags", [(3, 2), (1, 0), (3, 0)], ids=["header", "status", "both"])
def test_a_request_that_is_the_wrong_way_round_makes_the_disk_wait_for_its_reset(disk, flags):
    """The device would write the header, or read the status byte."""
    lengths = (16, 1)
    chain = [struct.pack("<QIHH", 0x1000, lengths[n], flags[n], n + 1) for n in range(2)]
    offer(disk, b"".join(chain), queue=0)
    assert disk.read(18, 1) == 0x47


def test_the_bytes_of_a_saved_device_come_back(card):
    bridge = card.platform.further[-1]
    saved = bridge.save()
    offer(card, struct.pack("<QIHH", 0x1000, 64, 0, 0))
    assert bridge.save() != saved
    bridge.restore(saved)
    assert bridge.save() == saved
