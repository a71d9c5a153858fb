"""Policy `virtual-tlb`: shadow entries are as stale as a TLB's may be, and no staler."""

from __future__ import annotations

import pytest

VA, WINDOW = 0x4000_0000, 0x8000_0000
FLAGS, GLOBAL = 0x67, 0x167


@pytest.fixture
def world(new_world):
    return new_world()


@pytest.fixture
def tables(world):
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 2 * 4096, FLAGS)
    tables.map(VA + 0x10000, 0x200000, 4096, GLOBAL)
    return tables


def test_writes_to_tables_cost_nothing(world, tables):
    tables.map(WINDOW, 0x10000, 0x40000, FLAGS)
    guest = world.start("virtual-tlb")
    guest.load(VA)
    guest.store(WINDOW + tables.entry_address(VA) - 0x10000, 0)
    assert guest.counted("pf_total", "pf_fixed") == (2, 2)


def test_an_entry_may_be_stale_until_invlpg(world, tables):
    guest = world.start("virtual-tlb")
    guest.load(VA)
    guest.poke(tables.entry_address(VA), 0x300000 | FLAGS)
    assert guest.load(VA) == 0x100000
    guest.invlpg(VA)
    assert guest.load(VA) == 0x300000


def test_a_cr3_write_empties_the_shadow_but_for_global_entries(world, tables):
    guest = world.start("virtual-tlb")
    for va in (VA, VA + 0x10000):
        guest.load(va)
    guest.load_cr3(tables.root)
    assert guest.load(VA + 0x10000) == 0x200000
    assert guest.counted("pf_total") == 2
    assert guest.load(VA) == 0x100000
    assert guest.counted("pf_total", "root_switch") == (3, 1)
    guest.pager.check()


def test_without_pge_no_entry_is_global(world, tables):
    world.registers.cr4 &= ~0x80
    guest = world.start("virtual-tlb")
    guest.load(VA + 0x10000)
    guest.load_cr3(tables.root)
    guest.load(VA + 0x10000)
    assert guest.counted("pf_total") == 2


def test_a_true_fault_drops_the_entry_it_was_about(world, tables):
    world[tables.entry_address(VA)] = 0x100000 | 0x27
    guest = world.start("virtual-tlb")
    guest.load(VA)
    guest.poke(tables.entry_address(VA), 0)
    assert guest.access(VA, "store") == ("fault", 2)
    guest.poke(tables.entry_address(VA), 0x300000 | FLAGS)
    assert guest.load(VA) == 0x300000


def test_invlpg_drops_all_pieces_of_a_large_page(world):
    tables = world.tables(0x10000)
    tables.map(VA, 0x400000, 1 << 21, FLAGS, page_size=1 << 21)
    guest = world.start("virtual-tlb", base=0x201000)
    assert guest.load(VA) == 0x400000
    assert guest.load(VA + 0x5000) == 0x405000
    guest.poke(tables.entry_address(VA, 2), 0x600000 | FLAGS | 0x80)
    guest.invlpg(VA)
    assert guest.load(VA + 0x5000) == 0x605000
    guest.pager.check()


def test_invlpg_drops_all_pieces_also_where_small_pages_were_before(world):
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 4096, FLAGS)
    guest = world.start("virtual-tlb", base=0x201000)
    guest.load(VA)
    for large in (0x400000, 0x600000):
        guest.poke(tables.entry_address(VA, 2), large | FLAGS | 0x80)
        guest.invlpg(VA)
        assert guest.load(VA) == large
        assert guest.load(VA + 0x5000) == large + 0x5000
