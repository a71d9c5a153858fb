"""How many table entries a walk reads, by page size, dimension and what is cached."""

import pytest

from hardware_model.mmu.paging import Cr0, Entry
from hardware_model.mmu.state import Kind, Status, Word

VA = 0x7F12_3456_7000
LARGE = 0x7F12_3460_0000
RW = int(Entry.P | Entry.RW)


def test_an_uncached_walk_reads_one_entry_of_each_level(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    assert machine.load(VA + 0x123) == 0x5123
    counted = machine.counted()
    assert counted["walk.reference"] == 4
    assert [counted[f"walk.reference.guest.l{level}"] for level in (4, 3, 2, 1)] == [1, 1, 1, 1]
    assert counted["walk"] == counted["walk.completed"] == 1


@pytest.mark.parametrize(("page_size", "references"), [(2 << 20, 3), (1 << 30, 2)])
def test_a_larger_page_saves_a_level_each(native, page_size, references):
    machine = native()
    va = 0x7F00_C000_0000
    machine.tables.map(va, page_size, page_size, page_size=page_size)
    assert machine.load(va + 0x12345) == page_size + 0x12345
    assert machine.mmu[Word.OUT_SHIFT] == page_size.bit_length() - 1
    assert machine.references() == references


def test_an_uncached_walk_under_ept_reads_24_entries(nested):
    machine = nested()
    machine.tables.map(VA, 0x5000, 4096)
    assert machine.load(VA + 0x10) == machine.offset + 0x5010
    assert machine.mmu[Word.OUT_GPA] == 0x5010
    counted = machine.counted()
    assert counted["walk.reference"] == 24
    assert [counted[f"walk.reference.guest.l{level}"] for level in (4, 3, 2, 1)] == [1] * 4
    assert [counted[f"walk.reference.ept.l{level}"] for level in (4, 3, 2, 1)] == [5] * 4
    assert "psc.ept.hit" not in counted


@pytest.mark.parametrize(
    ("guest_page", "ept_page", "references"),
    # (guest entries + 1) EPT walks, and the guest entries themselves
    [(4096, 2 << 20, 5 * 3 + 4), (2 << 20, 4096, 4 * 4 + 3), (2 << 20, 2 << 20, 4 * 3 + 3)],
)
def test_large_pages_shorten_both_dimensions(nested, tiny, guest_page, ept_page, references):
    machine = nested(tiny, ept_page)
    machine.tables.map(LARGE, 0x40_0000, guest_page, page_size=guest_page)
    machine.load(LARGE + 0x234)
    assert machine.references() == references
    assert machine.mmu[Word.OUT_SHIFT] == min(guest_page, ept_page).bit_length() - 1


def test_the_nested_tlb_serves_guest_physical_addresses_it_has_seen(nested):
    machine = nested()
    machine.tables.map(VA, 0x5000, 0x2000)
    machine.load(VA)
    machine.mmu.write_cr3(machine.tables.root)
    machine.counted()
    machine.load(VA)
    counted = machine.counted()
    assert counted["psc.ept.hit"] == 5
    assert counted["walk.reference"] == 4
    machine.load(VA + 0x1000)
    counted = machine.counted()
    assert counted["psc.pde.hit"] == 1
    assert counted["walk.reference"] == 1 + 4


def test_without_paging_linear_addresses_are_physical(native, nested):
    machine = native()
    machine.mmu[Word.CR0] = Cr0.PE
    assert machine.load(0x12_3456) == 0x12_3456
    assert machine.references() == 0
    guest = nested()
    guest.mmu[Word.CR0] = Cr0.PE
    assert guest.load(0x12_3456) == guest.offset + 0x12_3456
    assert guest.references() == 4


def test_tables_beyond_memory_read_as_all_ones(native):
    machine = native()
    machine.mmu[Word.CR3] = 0x3_0000_0000
    assert machine.access(VA) == Status.PAGE_FAULT
    assert machine.mmu[Word.OUT_ERROR] == 0b1001


def test_a_page_beyond_memory_is_translated_all_the_same(native):
    machine = native()
    machine.tables.map(VA, 0xFEE0_0000, 4096, RW)
    assert machine.access(VA + 0xB0, Kind.STORE) == Status.OK
    assert machine.mmu[Word.OUT_PA] == 0xFEE0_00B0
