"""The registers read as the specification lays them out, in words of 4 and 8 bytes."""

from __future__ import annotations

from hardware_model.machine import Machine
from hardware_model.vtd.registers import GlobalCommand, Register
from hardware_model.vtd.unit import BASE
from tests.hardware_model.vtd.bench import DATA, DEVICE, ROOT, Bench

MIB = 1 << 20


def test_the_capabilities_say_what_the_unit_does(bench: Bench) -> None:
    cap, ecap = bench.get(Register.CAP, 8), bench.get(Register.ECAP, 8)
    assert bench.get(Register.VER) == 0x10
    assert cap >> 8 & 0x1F == 0b00110  # SAGAW: 3- and 4-level tables
    assert (cap >> 16 & 0x3F) + 1 == 48
    assert (cap >> 24 & 0x3FF) * 16 == Register.FRCD
    assert cap >> 34 & 0xF == 0b0011  # SLLPS: 2 MiB, 1 GiB
    assert (cap >> 40 & 0xFF) + 1 == 8
    assert cap >> 39 & 1 and cap >> 22 & 1 and not cap >> 7 & 1  # PSI, ZLR, no caching mode
    assert ecap & 0b1001011 == 0b1001011  # C, QI, IR, PT
    assert (ecap >> 8 & 0x3FF) * 16 + 8 == Register.IOTLB


def test_wide_registers_are_read_and_written_by_halves(bench: Bench) -> None:
    bench.put(Register.RTADDR, 0x5000)
    bench.put(Register.RTADDR + 4, 0x12)
    assert bench.get(Register.RTADDR, 8) == 0x12_0000_5000
    assert bench.get(Register.CAP + 4) == bench.get(Register.CAP, 8) >> 32


def test_capabilities_and_unknown_offsets_ignore_writes(bench: Bench) -> None:
    before = bench.get(Register.CAP, 8)
    bench.put(Register.CAP, 0, 8)
    bench.put(0x0F0, 0xFFFF)
    assert bench.get(Register.CAP, 8) == before
    assert bench.get(0x0F0) == 0


def test_the_status_follows_each_command(bench: Bench) -> None:
    bench.command(GlobalCommand.SRTP)
    assert bench.get(Register.GSTS) == GlobalCommand.SRTP
    bench.command(GlobalCommand.QIE, GlobalCommand.TE)
    expected = GlobalCommand.SRTP | GlobalCommand.QIE | GlobalCommand.TE
    assert bench.get(Register.GSTS) == expected
    bench.put(Register.GCMD, GlobalCommand.QIE)
    assert not bench.get(Register.GSTS) & GlobalCommand.TE


def test_register_based_invalidation_works_while_the_queue_is_off(bench: Bench) -> None:
    root = bench.table()
    bench.attach(DEVICE, 5, root)
    leaf = bench.map(root, 0x7000, DATA)
    bench.put(Register.RTADDR, ROOT, 8)
    bench.command(GlobalCommand.SRTP, GlobalCommand.TE)
    bench.blocked(DEVICE, 0x7000, 1)
    bench.memory.write64(leaf, 0)
    assert not bench.blocked(DEVICE, 0x7000, 1)  # stale
    bench.put(Register.IVA, 0x7000, 8)
    bench.put(Register.IOTLB, 1 << 63 | 3 << 60 | 5 << 32, 8)
    assert bench.get(Register.IOTLB, 8) >> 57 & 3 == 3
    assert not bench.get(Register.IOTLB, 8) >> 63
    assert bench.blocked(DEVICE, 0x7000, 1)
    bench.attach(DEVICE, 6, root)
    bench.put(Register.CCMD, 1 << 63 | 1 << 61, 8)
    assert bench.get(Register.CCMD, 8) >> 59 == 0b01 | 0b01 << 2
    bench.blocked(DEVICE, 0x7000, 1)
    assert bench.counter("vtd.context.miss") == 2


def test_a_machine_has_the_unit_on_its_bus() -> None:
    machine = Machine(16 * MIB)
    bus = machine.platform.bus
    assert bus.read(BASE + Register.VER, 4) == 0x10
    machine.memory.write(0x300000, b"data")
    assert machine.remapping.read(DEVICE, 0x300000, 4) == b"data"
    bus.write(BASE + Register.GCMD, 4, GlobalCommand.TE)
    bus.write(BASE + Register.FEADDR, 4, 0xFEE00000)
    bus.write(BASE + Register.FEDATA, 4, 0x55)
    bus.write(BASE + Register.FECTL, 4, 0)
    try:
        machine.remapping.read(DEVICE, 0x300000, 4)
    except Exception as error:
        assert "root entry" in str(error)
    bus.write(0xFEE000F0, 4, 0x1FF)  # the local APIC on
    assert machine.platform.apic.acknowledge() == 0x55


def test_a_saved_unit_goes_on_as_it_was(bench: Bench, domain: int) -> None:
    leaf = bench.map(domain, 0x7000, DATA)
    bench.blocked(DEVICE, 0x7000, 1)
    bench.blocked(DEVICE, 0x9000, 1)
    bench.memory.write64(leaf, 0)
    other = Bench()
    other.memory.bytes[:] = bench.memory.bytes
    other.unit.restore(bench.unit.save())
    assert not other.blocked(DEVICE, 0x7000, 1)  # from the IOTLB
    assert other.blocked(DEVICE, 0xA000, 1)
    assert [record[1] for record in other.records()] == [0x9000, 0xA000]
