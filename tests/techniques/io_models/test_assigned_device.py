"""An assigned device behind VT-d: what it reaches, which vectors it may raise, and its configuration."""

from __future__ import annotations

import pytest

import techniques
import workloads
from hardware_model import counters as counter_table
from hardware_model.devices.dma import DmaBlocked
from hardware_model.machine import Machine
from hardware_model.vtd.fault_reasons import FaultReason
from techniques import io_models
from techniques.io_models.passthrough import connect
from techniques.knobs import resolve
from techniques.runner import guest_image


@pytest.fixture
def assigned():
    kind = techniques.find("hvm-ept")
    image = guest_image(workloads.find("io/doorbells"), "small")
    memory = kind.vmm_bytes + image.ram_bytes + io_models.machine_bytes("passthrough")
    guest = kind(Machine(memory), image, resolve(kind.name, kind.knobs, {}))
    connect(guest)
    return guest


def test_an_assigned_device_reaches_its_guest_and_nothing_else(assigned):
    machine, card = assigned.machine, assigned.machine.peripherals.card
    machine.dma.write(card.source_id, 0x5000, b"frame")
    assert assigned.memory.read(0x5000, 5) == b"frame"
    with pytest.raises(DmaBlocked):
        machine.dma.write(card.source_id, assigned.memory.size, b"x")
    counted = counter_table.as_dict(machine.counters)
    assert counted[f"vtd.fault.{FaultReason.WRITE_DENIED.name.lower()}"] == 1
    assert counted["dma.blocked"] == 1


def test_an_assigned_device_cannot_raise_vectors_of_its_own_choice(assigned):
    machine, card = assigned.machine, assigned.machine.peripherals.card
    with pytest.raises(DmaBlocked):
        machine.dma.message(card.source_id, 0xFEE00000, 0xEF)
    assert not machine.platform.apic.deliverable


def test_a_device_cannot_use_the_entry_of_another(assigned):
    machine, disk, card = (
        assigned.machine,
        assigned.machine.peripherals.disk,
        assigned.machine.peripherals.card,
    )
    bus, at = assigned.platform.bus, disk.msi.offset
    for register, value in ((4, 7), (at + 12, 0x22), (at, 1 << 16)):
        bus.write_port(0xCF8, 4, 1 << 31 | disk.slot << 11 | register)
        bus.write_port(0xCFC, 4, value)
    address = disk.configuration.read(disk.msi.offset + 4, 4)
    machine.dma.message(disk.source_id, address, 0)
    assert machine.platform.apic.deliverable
    with pytest.raises(DmaBlocked):
        machine.dma.message(card.source_id, address, 0)


def test_base_address_registers_can_be_sized_and_do_not_move(assigned):
    bus, card = assigned.platform.bus, assigned.machine.peripherals.card
    bus.write_port(0xCF8, 4, 1 << 31 | card.slot << 11 | 0x10)
    bus.write_port(0xCFC, 4, 0xFFFFFFFF)
    assert bus.read_port(0xCFC, 4) == 0xFFFE0000
    assert card.configuration.read(0x10, 4) == 0xFE000000
