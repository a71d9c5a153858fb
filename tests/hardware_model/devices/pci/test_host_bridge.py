"""Configuration mechanism 1 and the windows behind it."""

from __future__ import annotations

from hardware_model.devices.network.controller import BASE, SLOT

CARD_STATUS = BASE + 8


def test_a_slot_without_a_device_reads_all_ones(bench):
    assert bench.configure(31, 0) == 0xFFFFFFFF


def test_devices_say_who_they_are(bench):
    assert bench.configure(2, 0) == 0x71118086
    assert bench.configure(3, 0) == 0x100E8086
    assert bench.configure(3, 8) >> 8 == 0x020000


def test_the_identity_cannot_be_written(bench):
    assert bench.configure(3, 0, 0) == 0x100E8086


def test_all_ones_in_a_base_address_register_show_its_size(bench):
    assert bench.configure(SLOT, 0x10, 0xFFFFFFFF) == 0xFFFE0000
    assert bench.configure(2, 0x10, 0xFFFFFFFF) == 0xFFFFFFF9
    assert bench.configure(2, 0x20, 0xFFFFFFFF) == 0xFFFFFFF1


def test_registers_follow_their_base_address_register(bench):
    bus = bench.platform.bus
    assert bus.read(CARD_STATUS, 4) == 0x83
    bench.configure(SLOT, 0x10, BASE + 0x400000)
    assert bus.read(CARD_STATUS, 4) == 0xFFFFFFFF
    assert bus.read(CARD_STATUS + 0x400000, 4) == 0x83


def test_registers_vanish_when_decoding_is_disabled(bench):
    bench.configure(SLOT, 4, 0)
    assert bench.platform.bus.read(CARD_STATUS, 4) == 0xFFFFFFFF


def test_the_data_port_reaches_single_bytes(bench):
    bench.configure(SLOT, 0)
    assert bench.platform.bus.read_port(0xCFD, 1) == 0x80


def test_a_saved_bridge_is_restored_with_all_functions(bench):
    saved = bench.devices.bridge.save()
    bench.configure(SLOT, 0x3C, 0x11)
    bench.platform.bus.write(BASE + 0x3818, 4, 5)
    assert bench.devices.bridge.save() != saved
    bench.devices.bridge.restore(saved)
    assert bench.devices.bridge.save() == saved
