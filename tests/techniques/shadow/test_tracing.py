"""Traced guest tables: policy `trace`, and what `unsync` shares with it."""

from __future__ import annotations

import pytest

VA, ALIAS, WINDOW = 0x4000_0000, 0x4000_5000, 0x8000_0000
FLAGS = 0x67


@pytest.fixture
def world(new_world):
    return new_world()


@pytest.fixture
def tables(world):
    """VA is mapped to 1 MiB; WINDOW and up show the frames of the tables."""
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 4096, FLAGS)
    tables.map(WINDOW, 0x10000, 0x40000, FLAGS)
    return tables


def window(gpa):
    return WINDOW + gpa - 0x10000


def test_a_write_to_a_page_table_is_emulated_and_followed_at_once(world, tables):
    guest = world.start("trace")
    guest.load(VA)
    faults = guest.counted("pf_total")
    guest.store(window(tables.entry_address(VA)), 0x200000 | FLAGS)
    assert guest.counted("pf_write_protect", "pte_write", "pte_updated") == (1, 1, 1)
    guest.invlpg(VA)
    assert guest.load(VA) == 0x200000
    assert guest.counted("pf_total") == faults + 1
    guest.pager.check()


def test_a_new_entry_needs_no_fault_if_it_was_marked_accessed(world, tables):
    guest = world.start("trace")
    guest.load(VA)
    guest.poke(tables.entry_address(VA) + 8, 0x300000 | FLAGS)
    faults = guest.counted("pf_total")
    assert guest.load(VA + 4096) == 0x300000
    assert guest.counted("pf_total") == faults


def test_clearing_an_accessed_flag_makes_the_next_use_seen(world, tables, policy):
    guest = world.start(policy)
    guest.load(VA)
    guest.store(window(tables.entry_address(VA)), 0x100000 | FLAGS & ~0x20)
    guest.invlpg(VA)
    guest.load(VA)
    assert guest.memory.read64(tables.entry_address(VA)) & 0x20


def test_a_write_to_an_upper_level_drops_one_entry_and_keeps_the_page_below(world, tables):
    guest = world.start("trace")
    guest.load(VA)
    upper = tables.entry_address(VA, 2)
    old = guest.memory.read64(upper)
    guest.poke(upper, 0)
    guest.invlpg(VA)
    assert guest.access(VA) == ("fault", 0)
    guest.poke(upper, old)
    hits = guest.counted("cache_hit")
    assert guest.load(VA) == 0x100000
    assert guest.counted("cache_hit") == hits + 1
    assert guest.counted("pde_zapped") == 1


def test_a_frame_that_becomes_a_table_is_taken_from_writers_that_are_cached(world, tables):
    guest = world.start("trace")
    page = 0x300000
    guest.poke(tables.entry_address(VA) + 8 * 5, page | FLAGS)
    guest.store(ALIAS, 0x100000 | FLAGS)
    flushes = guest.counted("tlb_flush")
    guest.poke(tables.entry_address(VA, 2) + 8, page | FLAGS)
    assert guest.load(VA + (1 << 21)) == 0x100000
    assert guest.counted("tlb_flush") == flushes + 1
    guest.store(ALIAS, 0x200000 | FLAGS)
    guest.invlpg(VA + (1 << 21))
    assert guest.load(VA + (1 << 21)) == 0x200000
    guest.pager.check()


def test_a_stale_writable_translation_cannot_evade_the_trace(world, tables):
    guest = world.start("trace")
    page = 0x300000
    alias_entry = tables.entry_address(VA) + 8 * 5
    guest.poke(alias_entry, page | FLAGS)
    guest.store(ALIAS, 0x100000 | FLAGS)
    guest.poke(alias_entry, 0x400000 | FLAGS)  # no INVLPG: the guest may still write to `page`
    guest.poke(tables.entry_address(VA, 2) + 8, page | FLAGS)
    guest.load(VA + (1 << 21))
    guest.store(ALIAS, 0x200000 | FLAGS)
    guest.invlpg(VA + (1 << 21))
    guest.pager.check()


@pytest.mark.parametrize("policy", ["trace", "unsync"])
def test_shadows_outlive_cr3_writes(world, tables, policy):
    other = world.tables(0x60000)
    other.map(VA, 0x200000, 4096, FLAGS)
    world.registers.cr3 = tables.root
    guest = world.start(policy)
    assert guest.load(VA) == 0x100000
    guest.load_cr3(other.root)
    assert guest.load(VA) == 0x200000
    faults = guest.counted("pf_total")
    guest.load_cr3(tables.root)
    assert guest.load(VA) == 0x100000
    assert guest.counted("pf_total", "root_switch", "shadow_zapped") == (faults, 3, 0)


def test_two_address_spaces_share_the_shadow_of_a_table_they_share(world, tables):
    other = world.tables(0x60000)
    world[other.root + 8 * (VA >> 39)] = tables.read(tables.root + 8 * (VA >> 39))
    world.registers.cr3 = tables.root
    guest = world.start("trace")
    guest.load(VA)
    guest.load_cr3(other.root)
    assert guest.load(VA) == 0x100000
    assert guest.counted("shadow_created", "spte_set") == (5, 1)


def test_one_table_reached_with_different_rights_has_two_shadows(world, tables):
    directory = tables.entry_address(VA, 2)
    world[directory + 8] = tables.read(directory) & ~2
    guest = world.start("trace")
    assert guest.access(VA, "store")[0] == "ok"
    assert guest.access(VA + (1 << 21), "store") == ("fault", 3)
    assert guest.access(VA + (1 << 21), "load") == ("ok", 0x100000)
    assert guest.counted("shadow_created") == 5


@pytest.mark.parametrize(("size", "offset"), [(2, 0), (1, 3), (8, 4)])
def test_a_write_that_no_table_sees_gives_the_shadow_up(world, tables, size, offset):
    guest = world.start("trace")
    guest.load(VA)
    guest.pager.guest_table_written(tables.entry_address(VA) + offset, size)
    assert guest.counted("flooded", "shadow_zapped") == (1, 1)
    assert guest.load(VA) == 0x100000


def test_a_table_torn_down_entry_by_entry_is_given_up(world, tables):
    tables.map(VA + 4096, 0x200000, 40 * 4096, FLAGS)
    guest = world.start("trace")
    guest.load(VA)
    first = tables.entry_address(VA)
    for index in range(40):
        guest.store(window(first) + 8 * index, 0)
    assert guest.counted("flooded", "pte_write") == (1, 16)
    guest.load_cr3(tables.root)
    assert guest.access(VA) == ("fault", 0)


def test_writes_that_make_entries_do_not_flood(world, tables):
    guest = world.start("trace")
    guest.load(VA)
    for index in range(1, 200):
        guest.poke(tables.entry_address(VA) + 8 * index, 0x200000 | FLAGS)
    assert guest.counted("flooded", "pte_updated") == (0, 199)


def test_a_flooded_active_root_stays_the_root(world, tables):
    guest = world.start("trace")
    guest.load(VA)
    root = guest.pager.root
    for index in (100, 101, 102):
        guest.poke(tables.root + 8 * index, 0)
    assert guest.counted("flooded", "shadow_zapped") == (1, 0)
    assert guest.pager.root == root
    assert guest.load(VA) == 0x100000


@pytest.mark.parametrize("policy", ["trace", "unsync", "virtual-tlb"])
def test_an_exhausted_pool_recycles_old_pages(world, tables, policy):
    for number in range(40):
        tables.map(VA + (number << 21), 0x100000, 4096, FLAGS)
    guest = world.start(policy, pool=12)
    for _ in range(2):
        for number in range(40):
            assert guest.load(VA + (number << 21)) == 0x100000
        guest.pager.check()
    assert guest.counted("recycled") >= 60
    assert guest.frames.available + guest.counted("shadow_created") == 12 + guest.counted(
        "shadow_zapped"
    )
