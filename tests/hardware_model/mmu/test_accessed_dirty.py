"""When walks set accessed and dirty flags (SDM vol. 3A section 4.8)."""

import pytest

from hardware_model.mmu.paging import Entry
from hardware_model.mmu.state import Kind, Status, Word

VA = 0x40_0000_0000
A, D = int(Entry.A), int(Entry.D)


def flags(machine, levels=(4, 3, 2, 1), va=VA):
    return [machine.entry(va, level) & (A | D) for level in levels]


@pytest.mark.parametrize("kind", [Kind.LOAD, Kind.FETCH])
def test_a_load_or_fetch_sets_accessed_at_all_levels(native, kind):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    assert machine.access(VA, kind) == Status.OK
    assert flags(machine) == [A, A, A, A]
    assert machine.counted()["walk.ad_update"] == 4


def test_a_store_sets_dirty_in_the_leaf_only(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    machine.access(VA, Kind.STORE)
    assert flags(machine) == [A, A, A, A | D]


def test_the_leaf_of_a_large_page_becomes_dirty(native):
    machine = native()
    machine.tables.map(VA, 0x20_0000, 2 << 20, page_size=2 << 20)
    machine.access(VA + 0x5123, Kind.STORE)
    assert flags(machine, (4, 3, 2)) == [A, A, A | D]


def test_flags_that_are_set_are_not_written_again(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    machine.access(VA, Kind.STORE)
    machine.mmu.flush_everything()
    machine.counted()
    machine.access(VA, Kind.STORE)
    assert "walk.ad_update" not in machine.counted()


def test_a_faulting_walk_leaves_the_leaf_alone_but_marks_the_tables_it_used(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, int(Entry.P))
    assert machine.access(VA, Kind.STORE) == Status.PAGE_FAULT
    assert flags(machine) == [A, A, A, 0]
    machine.set_entry(VA, 0)
    assert machine.access(VA) == Status.PAGE_FAULT
    assert machine.entry(VA) == 0


def test_an_entry_with_reserved_bits_is_not_marked(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    machine.set_entry(VA, machine.entry(VA, 2) | 1 << 51, 2)
    assert machine.access(VA) == Status.PAGE_FAULT
    assert [machine.entry(VA, level) & A for level in (4, 3)] == [A, A]
    assert int(machine.ram[machine.tables.entry_address(VA, 2) >> 3]) & A == 0


def test_the_first_store_after_a_load_walks_again_to_set_dirty(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    machine.access(VA)
    assert machine.mmu[Word.OUT_PROT] == 1
    machine.counted()
    assert machine.access(VA, Kind.STORE) == Status.OK
    assert machine.mmu[Word.OUT_PROT] == 3
    assert flags(machine)[3] == A | D
    assert machine.mmu.evictions == [(VA, 12)]
    counted = machine.counted()
    assert (counted["tlb.l1d.miss"], counted["tlb.l2.miss"], counted["walk"]) == (1, 1, 1)
    assert machine.access(VA, Kind.STORE) == Status.OK
    assert machine.counted() == {}


def test_a_load_of_a_dirty_page_permits_stores(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, int(Entry.P | Entry.RW) | A | D)
    machine.access(VA)
    assert machine.mmu[Word.OUT_PROT] == 3
