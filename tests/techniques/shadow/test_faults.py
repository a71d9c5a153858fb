"""Hidden faults, true faults, device accesses, and what they leave in the guest's tables."""

from __future__ import annotations

import pytest

VA, OTHER = 0x4000_0000, 0x4000_1000
P, RW, US, A, D = 1, 2, 4, 0x20, 0x40
NX = 1 << 63


@pytest.fixture
def world(new_world):
    return new_world()


@pytest.fixture
def tables(world):
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 4096, P | RW | US)
    return tables


def entry(guest, tables, va, level=1):
    return guest.memory.read64(tables.entry_address(va, level))


def test_a_first_access_is_a_hidden_fault_and_the_second_none(world, tables, policy):
    guest = world.start(policy)
    assert guest.access(VA) == ("ok", 0x100000)
    assert guest.counted("pf_total", "pf_fixed", "spte_set") == (1, 1, 1)
    assert guest.access(VA) == ("ok", 0x100000)
    assert guest.counted("pf_total") == 1


def test_a_load_sets_accessed_flags_at_all_levels_and_no_dirty_flag(world, tables, policy):
    guest = world.start(policy)
    guest.access(VA)
    assert all(entry(guest, tables, VA, level) & A for level in (1, 2, 3, 4))
    assert not entry(guest, tables, VA) & D
    assert guest.counted("ad_propagated") == 4


def test_the_first_store_after_a_load_is_a_hidden_fault_that_sets_the_dirty_flag(
    world, tables, policy
):
    guest = world.start(policy)
    guest.access(VA)
    guest.access(VA, "store")
    assert entry(guest, tables, VA) & D
    assert guest.counted("pf_total", "pf_fixed", "ad_propagated") == (2, 2, 5)
    guest.access(VA, "store")
    assert guest.counted("pf_total") == 2


def test_the_software_walk_reads_one_entry_for_each_level(world, tables, policy):
    guest = world.start(policy)
    guest.access(VA)
    assert guest.counted("guest_entry_read") == 4


@pytest.mark.parametrize(
    ("leaf", "kind", "user", "code"),
    [
        (0, "load", False, 0b00000),
        (0, "store", True, 0b00110),
        (0, "fetch", False, 0b10000),
        (P | US, "store", True, 0b00111),
        (P | US, "store", False, 0b00011),
        (P | RW, "load", True, 0b00101),
        (P | RW | US | NX, "fetch", True, 0b10101),
        (P | RW | US | 1 << 45, "load", True, 0b01101),
    ],
)
def test_a_true_fault_reports_the_native_error_code(world, tables, policy, leaf, kind, user, code):
    world[tables.entry_address(VA)] = leaf | (0x100000 if leaf else 0)
    guest = world.start(policy)
    assert guest.access(VA, kind, user) == ("fault", code)
    assert guest.counted("pf_total", "pf_guest", "pf_fixed") == (1, 1, 0)
    assert not entry(guest, tables, VA) & A
    assert entry(guest, tables, VA, 2) & A


def test_an_access_without_ram_behind_it_goes_to_a_device_each_time(world, tables, policy):
    tables.map(OTHER, 0xFEE00000, 4096, P | RW)
    guest = world.start(policy)
    for times in (1, 2):
        assert guest.access(OTHER, "store") == ("device", 0xFEE00000)
        assert guest.counted("pf_total", "pf_mmio", "spte_set") == (times, times, 0)


def test_without_write_protection_a_supervisor_writes_to_read_only_pages(world, policy):
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 4096, P | US)
    world.registers.cr0 &= ~(1 << 16)
    guest = world.start(policy)
    guest.store(VA, 1)
    assert entry(guest, tables, VA) & D
    assert guest.access(VA, "load", user=True) == ("ok", 0x100000)
    assert guest.access(VA, "store", user=True) == ("fault", 7)


def test_under_smep_such_a_page_does_not_become_executable(world, policy):
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 4096, P | US)
    world.registers.cr0 &= ~(1 << 16)
    world.registers.cr4 |= 1 << 20
    guest = world.start(policy)
    guest.store(VA, 1)
    assert guest.access(VA, "fetch") == ("fault", 0b10001)
    assert guest.access(VA, "fetch", user=True) == ("ok", 0x100000)


def test_under_smap_such_a_write_is_emulated_so_that_loads_stay_forbidden(world, policy):
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 4096, P | US)
    world.registers.cr0 &= ~(1 << 16)
    world.registers.cr4 |= 1 << 21
    guest = world.start(policy)
    assert guest.access(VA, "store", ac=True, value=7) == ("ok", 0x100000)
    assert guest.counted("pf_write_protect") == 1
    assert guest.access(VA, "load", ac=False) == ("fault", 1)


def test_translate_leaves_no_trace_in_the_guests_tables(world, tables, policy):
    guest = world.start(policy)
    assert guest.pager.translate(VA + 5) == 0x100005
    assert guest.pager.translate(OTHER) is None
    assert not entry(guest, tables, VA) & A
