"""The PML4E, PDPTE and PDE caches shorten walks, carry rights, and never cause a fault."""

from dataclasses import replace

import pytest

from hardware_model.mmu.paging import Entry
from hardware_model.mmu.state import Kind, Status

VA = 0x40_0000_0000


@pytest.mark.parametrize(
    ("cache", "distance", "references"),
    [("pde", 4096, 1), ("pdpte", 2 << 20, 2), ("pml4e", 1 << 30, 3)],
)
def test_a_walk_starts_at_the_lowest_cached_entry(native, cache, distance, references):
    machine = native()
    for va in (VA, VA + distance):
        machine.tables.map(va, 0x5000, 4096)
    machine.load(VA)
    machine.counted()
    machine.load(VA + distance)
    counted = machine.counted()
    assert counted[f"psc.{cache}.hit"] == 1
    assert counted["walk.reference"] == references


def test_a_cache_of_no_entries_is_off(native, tiny):
    machine = native(replace(tiny, pdpte=2))
    machine.tables.map(VA, 0x5000, 2 * 4096)
    machine.load(VA)
    machine.counted()
    machine.load(VA + 4096)
    counted = machine.counted()
    assert counted["psc.pdpte.hit"] == 1
    assert counted["walk.reference"] == 2


@pytest.mark.parametrize("level", [4, 3, 2])
def test_rights_accumulate_through_cached_entries(native, level):
    machine = native()
    machine.tables.map(VA, 0x5000, 2 * 4096, int(Entry.P | Entry.RW | Entry.US))
    machine.set_entry(VA, machine.entry(VA, level) & ~int(Entry.RW | Entry.US), level)
    machine.load(VA)
    assert machine.access(VA + 4096, Kind.STORE) == Status.PAGE_FAULT
    assert machine.access(VA + 4096, user=True) == Status.PAGE_FAULT
    machine.set_entry(VA, machine.entry(VA, level) | int(Entry.NX), level)
    machine.mmu.invlpg(VA)
    machine.load(VA)
    assert machine.access(VA + 4096, Kind.FETCH) == Status.PAGE_FAULT


def test_an_entry_whose_rights_deny_the_access_is_not_used(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 2 * 4096)
    pde = machine.entry(VA, 2)
    machine.set_entry(VA, pde & ~int(Entry.RW), 2)
    machine.load(VA)
    machine.set_entry(VA, pde, 2)
    machine.counted()
    assert machine.access(VA + 4096, Kind.STORE) == Status.OK
    assert machine.counted()["psc.pdpte.hit"] == 1


def test_a_page_fault_drops_the_entries_its_walk_could_have_used(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 2 * 4096)
    machine.set_entry(VA + 4096, 0)
    machine.load(VA)
    machine.counted()
    assert machine.access(VA + 4096) == Status.PAGE_FAULT
    assert machine.references() == 1
    machine.set_entry(VA + 4096, 0x6000 | int(Entry.P))
    machine.load(VA + 4096)
    assert machine.references() == 4


def test_a_stale_entry_is_used_until_invlpg_of_any_address(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 3 * 4096)
    machine.load(VA)
    machine.set_entry(VA, 0, 2)
    assert machine.load(VA + 4096) == 0x6000
    machine.mmu.invlpg(0x1234_5000)
    assert machine.access(VA + 0x2000) == Status.PAGE_FAULT


def test_under_ept_a_cached_entry_saves_the_ept_walk_of_its_table(nested, tiny):
    machine = nested(replace(tiny, pde=2))
    machine.tables.map(VA, 0x5000, 2 * 4096)
    machine.load(VA)
    assert machine.references() == 24
    machine.load(VA + 4096)
    assert machine.references() == 1 + 4


def test_a_cached_entry_remembers_that_the_ept_lets_the_table_be_read_only(nested, tiny):
    machine = nested(replace(tiny, pde=2))
    machine.tables.map(VA, 0x5000, 2 * 4096)
    machine.set_entry(VA, machine.entry(VA) | int(Entry.A))
    machine.change_ept(machine.tables.entry_address(VA), clear=2)
    machine.load(VA)
    assert machine.access(VA + 4096) == Status.EPT_VIOLATION
    assert machine.entry(VA + 4096) & int(Entry.A) == 0
