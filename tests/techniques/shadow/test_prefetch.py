"""Knob `shadow.prefetch`: neighbours that the guest has used before are filled at one hidden fault."""

from __future__ import annotations

VA, PAGE = 0x4000_0000, 4096
USED, DIRTY = 0x27, 0x67


def test_eight_neighbours_cost_one_hidden_fault(new_world, policy):
    world = new_world()
    world.tables(0x10000).map(VA, 0x100000, 10 * PAGE, DIRTY)
    guest = world.start(policy, prefetch=8)
    assert [guest.load(VA + PAGE * n) for n in range(10)] == [
        0x100000 + PAGE * n for n in range(10)
    ]
    assert guest.counted("pf_fixed", "spte_set") == (2, 10)
    guest.pager.check()


def test_every_page_has_its_own_hidden_fault_without(new_world, policy):
    world = new_world()
    world.tables(0x10000).map(VA, 0x100000, 10 * PAGE, DIRTY)
    guest = world.start(policy)
    for n in range(10):
        guest.load(VA + PAGE * n)
    assert guest.counted("pf_fixed", "spte_set") == (10, 10)


def test_a_page_that_was_never_used_still_gets_its_accessed_flag_by_a_fault(new_world, policy):
    world = new_world()
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, 2 * PAGE, DIRTY)
    world[tables.entry_address(VA + PAGE)] = 0x101000 | 3
    guest = world.start(policy, prefetch=8)
    guest.load(VA)
    guest.load(VA + PAGE)
    assert guest.counted("pf_fixed") == 2
    assert guest.memory.read64(tables.entry_address(VA + PAGE)) & 0x20


def test_a_page_that_was_never_written_is_filled_read_only(new_world, policy):
    world = new_world()
    tables = world.tables(0x10000)
    tables.map(VA, 0x100000, PAGE, DIRTY)
    tables.map(VA + PAGE, 0x101000, PAGE, USED)
    guest = world.start(policy, prefetch=8)
    guest.load(VA)
    guest.load(VA + PAGE)
    assert guest.counted("pf_fixed") == 1
    guest.store(VA + PAGE, 1)
    assert guest.counted("pf_fixed") == 2
    assert guest.memory.read64(tables.entry_address(VA + PAGE)) & 0x40
