"""The disk: commands by ports, data by descriptors, time and errors."""

from __future__ import annotations

import struct

import pytest

from hardware_model.devices.disk.content import SECTORS, DiskContent, access_time
from hardware_model.devices.disk.controller import SLOT
from hardware_model.devices.generated_data import words

TABLE, DATA = 0x1000, 0x10000
READ, WRITE, IDENTIFY = 0xC8, 0xCA, 0xEC


@pytest.fixture
def disk(bench):
    bench.enable(SLOT, 0x22)
    bench.outb = lambda port, value: bench.platform.bus.write_port(port, 1, value)
    bench.inb = lambda port: bench.platform.bus.read_port(port, 1)
    return bench


def command(bench, code, sector, count, regions):
    table = b"".join(struct.pack("<IHH", at, size & 0xFFFF, 0) for at, size in regions)
    bench.memory.content[TABLE : TABLE + len(table)] = table
    bench.memory.content[TABLE + len(table) - 1] = 0x80
    bench.platform.bus.write_port(0xC024, 4, TABLE)
    bench.outb(0xC002, count)
    for n in range(3):
        bench.outb(0xC003 + n, sector >> 8 * n & 0xFF)
    bench.outb(0xC006, 0x40 | sector >> 24)
    bench.outb(0xC007, code)
    bench.outb(0xC020, 9 if code == READ else 1)


def test_a_read_scatters_generated_sectors_after_the_drives_time(disk):
    command(disk, READ, 5, 2, [(DATA, 512), (DATA + 0x2000, 512)])
    assert disk.inb(0xC007) == 0x80
    assert disk.platform.next_event() == access_time(2) == 20_000 + 2048
    disk.pass_time()
    assert disk.memory.content[DATA : DATA + 512] == words(0, 5 * 64, 64)
    assert disk.memory.content[DATA + 0x2000 :][:512] == words(0, 6 * 64, 64)
    assert disk.inb(0xC007) == 0x50
    assert disk.inb(0xC022) == 4
    assert [data for _, _, data in disk.memory.messages] == [0x22]


def test_what_was_written_is_read_back(disk):
    disk.memory.content[DATA : DATA + 1024] = bytes(range(256)) * 4
    command(disk, WRITE, 77, 2, [(DATA, 1024)])
    disk.pass_time()
    command(disk, READ, 78, 1, [(DATA + 0x4000, 512)])
    disk.outb(0xC020, 0)
    disk.outb(0xC020, 9)
    disk.pass_time()
    assert disk.memory.content[DATA + 0x4000 :][:512] == bytes(range(256)) * 2


def test_a_count_of_zero_is_256_sectors_and_a_length_of_zero_64_kib(disk):
    command(disk, READ, 0, 0, [(DATA, 0x10000), (0x40000, 0x10000)])
    disk.pass_time()
    assert disk.inb(0xC007) == 0x50
    assert disk.memory.content[0x40000:0x50000] == words(0, 128 * 64, 128 * 64)


def test_sectors_past_the_end_are_not_found(disk):
    command(disk, READ, SECTORS - 1, 2, [(DATA, 1024)])
    disk.pass_time()
    assert disk.inb(0xC007) & 1
    assert disk.inb(0xC001) == 0x10


def test_regions_that_are_too_small_are_an_error_of_the_bus_master(disk):
    command(disk, READ, 0, 2, [(DATA, 512)])
    disk.pass_time()
    assert disk.inb(0xC022) & 2


def test_blocked_memory_aborts_the_command(disk):
    disk.memory.blocked.add(DATA >> 12)
    command(disk, READ, 0, 1, [(DATA, 512)])
    disk.pass_time()
    assert disk.inb(0xC022) & 2
    assert disk.inb(0xC001) == 4


def test_an_unknown_command_is_aborted_at_once(disk):
    disk.outb(0xC007, 0x99)
    assert (disk.inb(0xC007), disk.inb(0xC001)) == (0x51, 4)


def test_identify_gives_size_and_model_through_the_data_port(disk):
    disk.outb(0xC007, IDENTIFY)
    disk.pass_time()
    assert disk.inb(0xC007) & 8
    data = [disk.platform.bus.read_port(0xC000, 2) for _ in range(256)]
    assert data[60] | data[61] << 16 == SECTORS
    assert struct.pack(">20H", *data[27:47]).rstrip() == b"trapbench disk"
    assert not disk.inb(0xC007) & 8


def test_interrupts_can_be_turned_off_at_the_drive(disk):
    disk.outb(0xC012, 2)
    command(disk, READ, 0, 1, [(DATA, 512)])
    disk.pass_time()
    assert disk.memory.messages == []


def test_a_backing_file_gives_the_sectors_and_stays_as_it_is(tmp_path):
    file = tmp_path / "disk"
    file.write_bytes(b"a" * 512 + b"b" * 512)
    content = DiskContent(file)
    content.write(0, b"c" * 512)
    assert (content.sectors, content.read(0)[:1], content.read(1)[:1]) == (2, b"c", b"b")
    assert file.read_bytes()[:1] == b"a"


@pytest.fixture
def pinned(bench):
    """A disk whose messages are off: it interrupts by its pin."""
    bench.configure(SLOT, 0x04, 0x007)
    bench.outb = lambda port, value: bench.platform.bus.write_port(port, 1, value)
    bench.inb = lambda port: bench.platform.bus.read_port(port, 1)
    bench.requests = lambda: bench.platform.interrupts.slave.irr >> 3 & 1
    return bench


def test_firmware_has_routed_the_interrupt_pin_and_enabled_the_channel(bench):
    assert bench.configure(SLOT, 0x3C) & 0xFFFF == 0x010B
    assert bench.configure(SLOT, 0x40) & 0x8000
    assert bench.configure(SLOT, 0x40, 0xA307) == 0xA307


def test_without_messages_the_pin_is_driven_until_the_status_is_read(pinned):
    command(pinned, READ, 5, 1, [(DATA, 512)])
    assert not pinned.requests()
    pinned.pass_time()
    assert pinned.requests()
    assert pinned.inb(0xC012) == 0x50
    assert pinned.requests()  # the alternate status acknowledges nothing
    assert pinned.inb(0xC007) == 0x50
    assert not pinned.requests()
    assert pinned.memory.messages == []
    assert pinned.count("io.interrupt") == 1


def test_the_pin_stays_low_with_messages_without_permission_and_for_a_silent_drive(pinned):
    command(pinned, READ, 5, 1, [(DATA, 512)])
    pinned.pass_time()
    pinned.outb(0xC012, 2)
    assert not pinned.requests()
    pinned.outb(0xC012, 0)
    assert pinned.requests()
    pinned.configure(SLOT, 0x04, 0x407)
    assert not pinned.requests()
    pinned.configure(SLOT, 0x04, 0x007)
    assert pinned.requests()
    pinned.enable(SLOT, 0x22)
    assert not pinned.requests()


def test_the_next_command_withdraws_the_request(pinned):
    command(pinned, READ, 5, 1, [(DATA, 512)])
    pinned.pass_time()
    pinned.outb(0xC007, 0xE7)
    assert not pinned.requests()
    pinned.pass_time()
    assert pinned.requests()


def test_a_reset_leaves_the_signature_of_a_drive_that_is_well(disk):
    disk.outb(0xC002, 9)
    disk.outb(0xC012, 4)
    disk.outb(0xC012, 0)
    assert [disk.inb(0xC001 + n) for n in range(5)] == [1, 1, 1, 0, 0]


def test_there_is_no_second_drive(disk):
    disk.outb(0xC006, 0xB0)
    assert (disk.inb(0xC007), disk.inb(0xC012)) == (0, 0)
    disk.outb(0xC007, IDENTIFY)
    assert disk.platform.next_event() is None
    disk.outb(0xC006, 0xA0)
    assert disk.inb(0xC007) == 0x50


@pytest.mark.parametrize(
    ("code", "features", "status"),
    [(0xE7, 0, 0x50), (0xE0, 0, 0x50), (0xEF, 0x03, 0x50), (0xEF, 0x82, 0x50), (0xEF, 0x77, 0x51)],
)
def test_commands_without_data_end_with_their_status(disk, code, features, status):
    disk.outb(0xC001, features)
    disk.outb(0xC007, code)
    disk.pass_time()
    assert disk.inb(0xC007) == status
    assert disk.inb(0xC001) == (4 if status & 1 else 0)


def test_identify_says_what_the_drive_can_do(disk):
    disk.outb(0xC007, IDENTIFY)
    disk.pass_time()
    data = [disk.platform.bus.read_port(0xC000, 2) for _ in range(256)]
    assert data[0] >> 15 == 0  # ATA
    assert data[49] & 0x300 == 0x300  # LBA and DMA
    assert data[83] >> 14 == data[84] >> 14 == data[87] >> 14 == 1  # these words are valid
    assert data[53] & 4
    assert data[88] & 7 == 7  # Ultra DMA, which ata_piix wants


def test_a_driven_pin_is_part_of_what_is_saved(pinned):
    command(pinned, READ, 5, 1, [(DATA, 512)])
    pinned.pass_time()
    saved = pinned.devices.disk.save()
    pinned.inb(0xC007)
    pinned.devices.disk.restore(saved)
    assert pinned.inb(0xC007) == 0x50
    assert pinned.devices.disk.save()["drive"] != saved["drive"]
