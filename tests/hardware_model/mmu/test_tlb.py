"""The modelled TLBs: what hits, what is evicted, and what the engine is told to drop."""

from dataclasses import replace

from hardware_model.mmu.geometry import TlbArray
from hardware_model.mmu.paging import Entry
from hardware_model.mmu.state import Kind, Status, Word

VA = 0x40_0000_0000
PAGE = 4096
USER_PAGE = int(Entry.P | Entry.RW | Entry.US)


def page(number):
    return VA + number * PAGE


def test_a_stale_translation_is_used_until_it_is_invalidated(native):
    machine = native()
    machine.tables.map(VA, 0x5000, PAGE)
    machine.load(VA)
    machine.set_entry(VA, 0x9000 | int(Entry.P))
    machine.counted()
    assert machine.load(VA) == 0x5000
    assert machine.counted() == {}
    machine.mmu.invlpg(VA)
    assert machine.load(VA) == 0x9000


def test_no_fault_is_due_to_a_stale_translation(native):
    machine = native()
    machine.tables.map(VA, 0x5000, PAGE, int(Entry.P))
    machine.load(VA)
    machine.set_entry(VA, 0x5000 | USER_PAGE)
    machine.set_entry(VA, machine.entry(VA, 2) | USER_PAGE, 2)
    assert machine.access(VA, Kind.STORE, user=True) == Status.OK


def test_a_fault_drops_the_cached_translation(native):
    machine = native()
    machine.tables.map(VA, 0x5000, PAGE)
    machine.load(VA)
    assert machine.access(VA, user=True) == Status.PAGE_FAULT
    assert machine.mmu.evictions == [(VA, 12)]
    machine.counted()
    machine.load(VA)
    assert machine.counted()["tlb.l1d.miss"] == 1


def test_fetches_and_data_accesses_have_first_levels_of_their_own(native):
    machine = native()
    machine.tables.map(VA, 0x5000, PAGE)
    machine.load(VA)
    assert machine.mmu[Word.OUT_PROT] == 1
    assert machine.mmu[Word.OUT_RIGHTS] == 1 | 4
    machine.counted()
    assert machine.access(VA, Kind.FETCH) == Status.OK
    assert machine.mmu[Word.OUT_PROT] == 4
    assert machine.counted() == {"tlb.l1i.miss": 1, "tlb.l2.hit": 1}


def test_a_second_level_for_data_does_not_serve_fetches(native, tiny):
    machine = native(replace(tiny, l2_fetch=False))
    machine.tables.map(VA, 0x5000, PAGE)
    machine.load(VA)
    machine.counted()
    machine.access(VA, Kind.FETCH)
    counted = machine.counted()
    assert (counted["tlb.l1i.miss"], counted["tlb.l2.miss"]) == (1, 1)


def test_the_oldest_of_a_full_set_is_evicted_however_often_it_hit(native, tiny):
    machine = native(tiny)
    machine.tables.map(VA, 0x5000, 8 * PAGE)
    for number in (0, 2, 0, 0):
        machine.load(page(number))
    assert machine.mmu.evictions == []
    machine.load(page(4))
    assert machine.mmu.evictions == [(page(0), 12)]
    machine.load(page(6))
    assert machine.mmu.evictions == [(page(2), 12)]
    machine.load(page(1))
    assert machine.mmu.evictions == []


def test_a_first_level_victim_hits_the_second_level(native, tiny):
    machine = native(tiny)
    machine.tables.map(VA, 0x5000, 8 * PAGE)
    for number in (0, 2, 4):
        machine.load(page(number))
    machine.counted()
    assert machine.load(page(0)) == 0x5000
    assert machine.mmu.evictions == [(page(2), 12)]
    assert machine.counted() == {"tlb.l1d.miss": 1, "tlb.l2.hit": 1, "tlb.evicted": 1}


def test_a_cyclic_sweep_over_more_pages_than_entries_always_misses(native, tiny):
    machine = native(tiny)
    machine.tables.map(VA, 0x10_0000, 16 * PAGE)
    for _ in range(10):
        for number in range(16):
            machine.load(page(number))
    counted = machine.counted()
    assert counted["tlb.l1d.miss"] == counted["tlb.l2.miss"] == 160
    assert counted["walk.reference"] == 640


def test_a_hole_is_filled_before_anything_is_evicted(native, tiny):
    machine = native(tiny)
    machine.tables.map(VA, 0x5000, 8 * PAGE)
    machine.load(page(0))
    machine.load(page(2))
    machine.mmu.invlpg(page(2))
    machine.load(page(4))
    assert machine.mmu.evictions == []


def test_evicted_pages_of_the_upper_half_are_reported_canonical(native, tiny):
    machine = native(tiny)
    kernel = 0xFFFF_FFFF_8000_0000
    machine.tables.map(kernel, 0x5000, 8 * PAGE)
    for number in (0, 2, 4):
        machine.load(kernel + number * PAGE)
    assert machine.mmu.evictions == [(kernel, 12)]


def test_a_page_size_without_an_array_is_entered_in_pieces(native, tiny):
    machine = native(tiny)
    machine.tables.map(VA, 0x20_0000, 2 << 20, page_size=2 << 20)
    assert machine.access(VA + 0x5123, Kind.FETCH) == Status.OK
    assert machine.mmu[Word.OUT_SHIFT] == 12
    assert machine.mmu[Word.OUT_PA] == 0x20_5123
    assert machine.access(VA + 0x6123, Kind.FETCH) == Status.OK
    assert machine.mmu[Word.OUT_PA] == 0x20_6123
    assert machine.counted()["tlb.l1i.miss"] == 2
    machine.access(VA + 0x5123)
    assert machine.mmu[Word.OUT_SHIFT] == 21


def test_two_page_sizes_can_share_an_array(native, tiny):
    shared = replace(tiny, l1d=(TlbArray(("4k", "2m"), 2, 2),), l2=())
    machine = native(shared)
    machine.tables.map(VA, 0x20_0000, 2 << 20, page_size=2 << 20)
    machine.tables.map(VA + (2 << 20), 0x5000, 4 * PAGE)
    machine.load(VA)
    machine.load(VA + (2 << 20))
    machine.load(VA + (2 << 20) + PAGE)
    assert machine.mmu.evictions == [(VA, 21)]


def test_every_first_level_miss_hits_or_misses_the_second_level(native):
    machine = native()
    machine.tables.map(VA, 0x10_0000, 256 * PAGE, int(Entry.P | Entry.RW))
    for step in range(2000):
        machine.access(page(step * 37 % 256), Kind(step % 3))
    counted = machine.counted()
    misses = counted["tlb.l1d.miss"] + counted["tlb.l1i.miss"]
    assert misses == counted["tlb.l2.hit"] + counted["tlb.l2.miss"]
    assert counted["tlb.l2.miss"] == counted["walk"] == counted["walk.completed"]
