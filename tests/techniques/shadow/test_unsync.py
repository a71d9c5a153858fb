"""Policy `unsync`: level-1 tables go out of step at the first write, and back when they must."""

from __future__ import annotations

import pytest

VA, WINDOW = 0x4000_0000, 0x8000_0000
FLAGS = 0x67


@pytest.fixture
def world(new_world):
    return new_world()


@pytest.fixture
def tables(world):
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 2 * 4096, FLAGS)
    tables.map(WINDOW, 0x10000, 0x40000, FLAGS)
    return tables


@pytest.fixture
def guest(world, tables):
    """VA is loaded; its table has been written to once: the entry of the page after VA is gone."""
    guest = world.start("unsync")
    assert guest.load(VA) == 0x100000
    assert guest.load(VA + 4096) == 0x101000
    guest.store(WINDOW + tables.entry_address(VA) - 0x10000 + 8, 0)
    return guest


def test_the_first_write_is_let_through_and_later_ones_are_free(guest, tables):
    assert guest.counted("unsync", "pf_write_protect", "pte_write") == (1, 0, 0)
    faults = guest.counted("pf_total")
    for index in range(2, 100):
        guest.store(WINDOW + tables.entry_address(VA) - 0x10000 + 8 * index, 0)
    assert guest.counted("pf_total") == faults
    guest.pager.check()


def test_an_entry_may_be_stale_until_invlpg(guest):
    assert guest.load(VA + 4096) == 0x101000
    guest.invlpg(VA + 4096)
    assert guest.access(VA + 4096) == ("fault", 0)
    assert guest.counted("invlpg", "sync") == (1, 0)


def test_a_cr3_write_brings_tables_below_the_root_up_to_date(guest, tables):
    guest.load_cr3(tables.root)
    assert guest.counted("sync") == 1
    assert guest.access(VA + 4096) == ("fault", 0)
    faults = guest.counted("pf_total")
    assert guest.load(VA) == 0x100000
    assert guest.counted("pf_total") == faults
    guest.pager.check()


def test_after_that_writes_are_seen_again(guest, tables):
    guest.load_cr3(tables.root)
    guest.store(WINDOW + tables.entry_address(VA) - 0x10000, 0x200000 | FLAGS)
    assert guest.counted("unsync") == 2
    guest.invlpg(VA)
    assert guest.load(VA) == 0x200000


def test_tables_of_other_address_spaces_are_left_alone(world, tables):
    other = world.tables(0x60000)
    other.map(WINDOW, 0x10000, 0x60000, FLAGS)
    guest = world.start("unsync")
    guest.load_cr3(tables.root)
    guest.load(VA)
    guest.load_cr3(other.root)
    guest.store(WINDOW + tables.entry_address(VA) - 0x10000, 0x200000 | FLAGS)
    guest.load_cr3(other.root)
    assert guest.counted("unsync", "sync") == (1, 0)
    guest.load_cr3(tables.root)
    assert guest.counted("sync") == 1
    assert guest.load(VA) == 0x200000


def test_a_table_reached_by_a_new_path_is_shown_as_it_is(guest, tables):
    directory = tables.entry_address(VA, 2)
    guest.poke(directory + 8, guest.memory.read64(directory))
    assert guest.load(VA + (1 << 21)) == 0x100000
    assert guest.counted("sync") == 1
    assert guest.access(VA + (1 << 21) + 4096) == ("fault", 0)


def test_upper_levels_are_traced(guest, tables):
    directory = tables.entry_address(VA, 2)
    guest.store(WINDOW + directory - 0x10000, 0)
    assert guest.counted("pf_write_protect", "pte_write", "pde_zapped") == (1, 1, 1)


def test_an_unsynchronized_table_that_becomes_a_directory_is_traced_again(guest, tables):
    table = tables.entry_address(VA) & ~0xFFF
    upper = tables.entry_address(VA, 3)
    guest.poke(0x100000, 0x300000 | FLAGS)
    guest.poke(upper + 16, table | FLAGS)
    assert guest.load(VA + (2 << 30)) == 0x300000
    guest.store(WINDOW + table - 0x10000 + 8 * 7, 0)
    assert guest.counted("pf_write_protect") == 1
    guest.pager.check()
