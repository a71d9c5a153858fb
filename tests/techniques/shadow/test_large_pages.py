"""Large guest pages: one shadow entry where memory allows, pieces elsewhere."""

from __future__ import annotations

import pytest

VA = 0x4000_0000
FLAGS, LARGE = 0x67, 1 << 21


@pytest.fixture
def world(new_world):
    return new_world()


@pytest.fixture
def tables(world):
    """VA maps the guest's 8 MiB by 2 MiB pages; the tables lie in the first of them."""
    tables = world.tables(0x10000)
    tables.map(VA, 0, 4 * LARGE, FLAGS, page_size=LARGE)
    return tables


def test_a_large_page_is_shadowed_by_one_entry(world, tables, policy):
    guest = world.start(policy)
    for offset in range(0, LARGE, 0x10000):
        assert guest.load(VA + LARGE + offset) == LARGE + offset
    assert guest.counted("pf_total", "spte_set") == (1, 1)


def test_it_is_shadowed_by_pieces_where_machine_memory_is_not_aligned(world, tables, policy):
    guest = world.start(policy, base=LARGE + 4096)
    for offset in range(0, LARGE, 0x10000):
        assert guest.load(VA + LARGE + offset) == LARGE + offset
    assert guest.counted("pf_total", "spte_set") == (32, 32)
    guest.pager.check()


@pytest.mark.parametrize("policy", ["trace", "unsync"])
def test_it_is_shadowed_by_pieces_where_it_holds_a_traced_table(world, tables, policy):
    guest = world.start(policy)
    guest.store(VA + 0x100000, 1)
    guest.store(VA + 0x101000, 1)
    assert guest.counted("pf_total", "pf_fixed") == (2, 2)
    guest.store(VA + tables.entry_address(VA, 2), guest.memory.read64(tables.entry_address(VA, 2)))
    assert guest.counted("pf_write_protect") == 1
    guest.pager.check()


def test_a_large_entry_is_split_when_a_frame_of_it_becomes_a_table(world, tables):
    guest = world.start("trace")
    table = LARGE + 0x3000
    guest.store(VA + table, 0x100000 | FLAGS)
    guest.poke(tables.entry_address(VA, 2) + 8 * 100, table | FLAGS)
    assert guest.load(VA + 100 * LARGE) == 0x100000
    writes = guest.counted("pte_write")
    guest.store(VA + table, 0x102000 | FLAGS)
    guest.store(VA + LARGE, 1)
    assert guest.counted("pte_write") == writes + 1
    guest.invlpg(VA + 100 * LARGE)
    assert guest.load(VA + 100 * LARGE) == 0x102000
    guest.pager.check()


def test_the_dirty_flag_of_a_large_page_is_set_by_its_first_store(world, tables, policy):
    where = tables.entry_address(VA + LARGE, 2)
    world[where] = LARGE | 0x80 | 0x27
    guest = world.start(policy)
    guest.load(VA + LARGE)
    assert not guest.memory.read64(where) & 0x40
    guest.store(VA + LARGE + 0x5000, 1)
    assert guest.memory.read64(where) & 0x40
    assert guest.counted("pf_total", "pf_fixed") == (2, 2)


def test_a_gibibyte_page_reaches_ram_and_devices(world, policy):
    tables = world.tables(0x10000)
    tables.map(VA, 0, 1 << 30, FLAGS, page_size=1 << 30)
    guest = world.start(policy)
    assert guest.load(VA + 3 * LARGE) == 3 * LARGE
    assert guest.access(VA + 4 * LARGE) == ("device", 4 * LARGE)
    assert guest.counted("spte_set", "pf_mmio") == (1, 1)
    guest.pager.check()


def test_invlpg_means_all_pieces_in_the_processors_tlb(world, tables):
    guest = world.start("trace", base=LARGE + 4096)
    guest.load(VA + LARGE)
    guest.load(VA + LARGE + 0x5000)
    guest.poke(tables.entry_address(VA + LARGE, 2), 2 * LARGE | FLAGS | 0x80)
    guest.invlpg(VA + LARGE)
    assert guest.load(VA + LARGE + 0x5000) == 2 * LARGE + 0x5000
