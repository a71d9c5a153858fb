"""Requests go where the tables say, or are blocked for the reason that the specification gives."""

from __future__ import annotations

import pytest

from hardware_model.vtd import tables
from hardware_model.vtd.fault_reasons import FaultReason
from hardware_model.vtd.registers import GlobalCommand, Register
from hardware_model.vtd.tables import READ, READ_WRITE, WRITE, AddressWidth, TranslationType
from tests.hardware_model.vtd.bench import DATA, DEVICE, MIB, OTHER_DEVICE, RAM, ROOT, Bench

R = FaultReason


def word(address: int) -> bytes:
    return address.to_bytes(8, "little")


def test_after_reset_requests_reach_memory_unchanged(bench: Bench) -> None:
    assert bench.unit.read(DEVICE, DATA + 8, 8) == word(DATA + 8)
    bench.unit.write(DEVICE, DATA, b"abc")
    assert bench.memory.read(DATA, 3) == b"abc"
    assert bench.counter("vtd.request") == 0


def test_a_request_beyond_memory_is_blocked_without_a_fault_when_nothing_is_remapped(
    bench: Bench,
) -> None:
    assert bench.blocked(DEVICE, RAM - 2, 4)
    assert bench.records() == []


@pytest.mark.parametrize("width", AddressWidth)
@pytest.mark.parametrize("leaf", [1, 2, 3])
def test_a_page_of_each_size_is_translated_by_three_and_four_levels(
    bench: Bench, width: AddressWidth, leaf: int
) -> None:
    root, address = bench.table(), 0x52_4000_0000
    bench.attach(DEVICE, 5, root, width)
    frame = {1: DATA + 0x3000, 2: 3 * DATA, 3: 0}[leaf]
    bench.map(root, address, frame, levels=width.levels, leaf=leaf)
    bench.start()
    offset = {1: 0x10, 2: 0x12_3450, 3: DATA + 0x678}[leaf]
    assert bench.unit.read(DEVICE, address + offset, 8) == word(frame + offset)
    walked = width.levels - leaf + 1
    assert bench.counter("vtd.reference") == 2 + walked  # root and context entry besides
    assert bench.unit.read(DEVICE, address + offset + 8, 8) == word(frame + offset + 8)
    assert bench.counter("vtd.reference") == 2 + walked
    assert (bench.counter("vtd.iotlb.hit"), bench.counter("vtd.iotlb.miss")) == (1, 1)
    assert (bench.counter("vtd.context.hit"), bench.counter("vtd.context.miss")) == (1, 1)


@pytest.mark.parametrize(
    ("permissions", "read", "write", "empty"),
    [
        (READ_WRITE, None, None, None),
        (READ, None, R.WRITE_DENIED, None),
        (WRITE, R.READ_DENIED, None, None),
        (0, R.READ_DENIED, R.WRITE_DENIED, R.READ_DENIED),
    ],
)
@pytest.mark.parametrize("warm", [False, True])
def test_permissions_are_checked_with_and_without_a_cached_translation(
    bench: Bench,
    domain: int,
    permissions: int,
    read: R | None,
    write: R | None,
    empty: R | None,
    warm: bool,
) -> None:
    bench.map(domain, 0x7000, DATA, permissions)
    if warm and permissions:
        bench.blocked(DEVICE, 0x7000, 1) and bench.blocked(DEVICE, 0x7000, b"x")
        bench.records()
    for request, expected in (((8,), read), ((b"x" * 8,), write), ((0,), empty)):
        assert bench.blocked(DEVICE, 0x7008, *request) == (expected is not None)
        reasons = [reason for _, _, reason, _ in bench.records()]
        assert reasons == ([expected] if expected else [])


@pytest.mark.parametrize("level", [2, 3, 4])
def test_the_permissions_of_all_levels_count(bench: Bench, domain: int, level: int) -> None:
    bench.map(domain, 0x7000, DATA)
    upper = list(bench.entries(domain, 0x7000, 4))[4 - level]
    bench.memory.write64(upper, bench.memory.read64(upper) & ~WRITE)
    assert not bench.blocked(DEVICE, 0x7000, 8)
    assert bench.blocked(DEVICE, 0x7000, b"x")
    assert bench.records() == [(DEVICE, 0x7000, R.WRITE_DENIED, False)]


def test_a_blocked_write_across_a_page_boundary_stores_up_to_it(bench: Bench, domain: int) -> None:
    bench.map(domain, 0x7000, DATA)
    before = bench.memory.read(DATA + 0x1000, 16)
    assert bench.blocked(DEVICE, 0x7FFC, b"12345678")
    assert bench.memory.read(DATA + 0xFFC, 4) == b"1234"
    assert bench.memory.read(DATA + 0x1000, 16) == before
    assert bench.records() == [(DEVICE, 0x8000, R.WRITE_DENIED, False)]


def test_a_request_across_a_boundary_is_translated_page_by_page(bench: Bench, domain: int) -> None:
    bench.map(domain, 0x7000, DATA + 0x5000)
    bench.map(domain, 0x8000, DATA + 0x2000)
    assert bench.unit.read(DEVICE, 0x7FF8, 16) == word(DATA + 0x5FF8) + word(DATA + 0x2000)
    assert bench.counter("vtd.request") == 2


@pytest.mark.parametrize(
    ("width", "address"), [(AddressWidth.THREE_LEVEL, 1 << 39), (AddressWidth.FOUR_LEVEL, 1 << 48)]
)
def test_an_address_beyond_the_width_is_blocked(
    bench: Bench, width: AddressWidth, address: int
) -> None:
    bench.attach(DEVICE, 5, bench.table(), width)
    bench.start()
    assert bench.blocked(DEVICE, address, 1)
    assert bench.records() == [(DEVICE, address, R.BEYOND_WIDTH, True)]


def test_a_device_in_pass_through_reaches_memory_by_machine_address(bench: Bench) -> None:
    bench.attach(DEVICE, 5, 0, kind=TranslationType.PASS_THROUGH)
    bench.start()
    assert bench.unit.read(DEVICE, DATA, 8) == word(DATA)
    assert bench.counter("vtd.request.pass_through") == 1
    assert bench.counter("vtd.iotlb.miss") == 0


def test_each_device_has_its_own_domain(bench: Bench, domain: int) -> None:
    other = bench.table()
    bench.attach(OTHER_DEVICE, 6, other)
    bench.map(domain, 0x7000, DATA)
    bench.map(other, 0x7000, DATA + 0x9000)
    assert bench.unit.read(DEVICE, 0x7000, 8) == word(DATA)
    assert bench.unit.read(OTHER_DEVICE, 0x7000, 8) == word(DATA + 0x9000)
    assert bench.unit.read(DEVICE, 0x7000, 8) == word(DATA)


def broken(bench: Bench, what: str) -> None:
    """Break one entry on the way of DEVICE to 0x7000."""
    context = (bench.memory.read64(ROOT) & ~0xFFF) + DEVICE * 16
    leaf = list(bench.entries(bench.memory.read64(context) & ~0xFFF, 0x7000, 4))
    where, low, high = {
        "root absent": (ROOT, 0, 0),
        "root reserved": (ROOT, bench.memory.read64(ROOT) | 1 << 1, 0),
        "root high": (ROOT, bench.memory.read64(ROOT), 1),
        "root beyond": (ROOT, RAM | 1, 0),
        "context absent": (context, 0, 0),
        "context reserved": (context, *_changed(bench, context, 1 << 5, 0)),
        "context high": (context, *_changed(bench, context, 0, 1 << 24)),
        "context type": (context, *_changed(bench, context, 3 << 2, 0)),
        "context width": (context, *_changed(bench, context, 0, 4)),
        "table beyond": (leaf[1], RAM | 3, None),
        "table reserved": (leaf[2], bench.memory.read64(leaf[2]) | 1 << 11, None),
        "huge page": (leaf[0], bench.memory.read64(leaf[0]) | tables.LARGE, None),
        "large unaligned": (leaf[2], DATA | 1 << 12 | tables.LARGE | 3, None),
        "beyond host": (leaf[3], 1 << 47 | 3, None),
    }[what]
    bench.memory.write64(where, low)
    if high is not None:
        bench.memory.write64(where + 8, high)


def _changed(bench: Bench, where: int, low: int, high: int) -> tuple[int, int]:
    return bench.memory.read64(where) | low, bench.memory.read64(where + 8) | high


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("root absent", R.ROOT_NOT_PRESENT),
        ("root reserved", R.ROOT_RESERVED),
        ("root high", R.ROOT_RESERVED),
        ("root beyond", R.CONTEXT_POINTER),
        ("context absent", R.CONTEXT_NOT_PRESENT),
        ("context reserved", R.CONTEXT_RESERVED),
        ("context high", R.CONTEXT_RESERVED),
        ("context type", R.CONTEXT_INVALID),
        ("context width", R.CONTEXT_INVALID),
        ("table beyond", R.TABLE_POINTER),
        ("table reserved", R.TABLE_RESERVED),
        ("huge page", R.TABLE_RESERVED),
        ("large unaligned", R.TABLE_RESERVED),
        ("beyond host", R.TABLE_RESERVED),
    ],
)
def test_a_malformed_entry_blocks_with_its_reason(
    bench: Bench, domain: int, what: str, reason: R
) -> None:
    bench.map(domain, 0x7000, DATA)
    broken(bench, what)
    assert bench.blocked(DEVICE, 0x7010, b"1234")
    assert bench.records() == [(DEVICE, 0x7000, reason, False)]
    assert bench.counter(f"vtd.fault.{reason.name.lower()}") == bench.counter("vtd.blocked") == 1
    assert bench.blocked(DEVICE, 0x7010, b"1234")  # what is malformed is not cached
    assert bench.records() == [(DEVICE, 0x7000, reason, False)]


def test_a_root_table_outside_memory_blocks(bench: Bench) -> None:
    bench.put(Register.RTADDR, RAM, 8)
    bench.command(GlobalCommand.SRTP, GlobalCommand.TE)
    assert bench.blocked(DEVICE, 0x7000, 4)
    assert bench.records() == [(DEVICE, 0x7000, R.ROOT_POINTER, True)]


def test_the_root_table_address_counts_when_it_is_latched(bench: Bench, domain: int) -> None:
    bench.map(domain, 0x7000, DATA)
    bench.put(Register.RTADDR, RAM, 8)
    assert not bench.blocked(DEVICE, 0x7000, 8)


def test_faults_of_an_entry_with_fpd_are_blocked_and_not_recorded(bench: Bench) -> None:
    bench.attach(DEVICE, 5, bench.table(), fault_disable=True)
    bench.start()
    assert bench.blocked(DEVICE, 0x7000, 4)
    assert bench.records() == []
    assert (bench.counter("vtd.blocked"), bench.counter("vtd.fault.disabled")) == (1, 1)


def test_protected_regions_keep_out_every_device(bench: Bench, domain: int) -> None:
    bench.map(domain, 0x7000, DATA)
    bench.put(Register.PLMBASE, DATA)
    bench.put(Register.PLMLIMIT, DATA)  # 2 MiB
    bench.put(Register.PHMBASE, 2 * DATA, 8)
    bench.put(Register.PHMLIMIT, 2 * DATA, 8)
    bench.put(Register.PMEN, 1 << 31)
    assert bench.get(Register.PMEN) == 1 << 31 | 1
    assert bench.blocked(DEVICE, 0x7000, 8)
    bench.put(Register.GCMD, GlobalCommand.QIE)  # TE off
    for place, inside in ((DATA - 8, False), (DATA + 2 * MIB - 8, True), (DATA + 2 * MIB, False)):
        assert bench.blocked(DEVICE, place, 8) is inside
    assert bench.blocked(DEVICE, 2 * DATA, b"x")
    assert bench.counter("vtd.blocked.protected_region") == 3


def test_reads_and_odd_writes_of_the_interrupt_range_are_blocked(bench: Bench, domain: int) -> None:
    bench.map(domain, 0xFEE00000, DATA)
    assert bench.blocked(DEVICE, 0xFEE00000, 4)
    assert bench.blocked(DEVICE, 0xFEE00000, b"12345678")
    reasons = [record[2] for record in bench.records()]
    assert reasons == [R.READ_DENIED, R.WRITE_DENIED]
