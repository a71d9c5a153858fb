"""A probe finds what a translation finds, and leaves no trace."""

from hardware_model.counters import as_dict
from hardware_model.mmu.state import Status, Word

VA = 0x40_0000_0000


def test_a_probe_changes_nothing(nested):
    machine = nested()
    machine.tables.map(VA, 0x5000, 4096)
    ram, state = machine.ram.copy(), machine.mmu.state.copy()
    assert machine.mmu.probe(VA + 0x123) == (Status.OK, machine.offset + 0x5123)
    assert (machine.ram == ram).all() and (machine.mmu.state == state).all()
    assert as_dict(machine.mmu.counters) == {}


def test_a_probe_sees_memory_not_the_tlb(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    machine.load(VA)
    machine.set_entry(VA, 0)
    assert machine.mmu.probe(VA + 8) == (Status.PAGE_FAULT, VA + 8)


def test_a_probe_names_the_guest_physical_address_that_has_no_translation(nested):
    machine = nested()
    machine.tables.map(VA, 0x5000, 4096)
    machine.change_ept(0x5000, clear=7)
    assert machine.mmu.probe(VA + 8) == (Status.EPT_VIOLATION, 0x5008)
    machine.change_ept(0x5000, 2)
    assert machine.mmu.probe(VA + 8) == (Status.EPT_MISCONFIGURATION, 0x5008)


def test_large_pages_and_no_paging(native):
    machine = native()
    machine.tables.map(VA, 0x20_0000, 2 << 20, page_size=2 << 20)
    assert machine.mmu.probe(VA + 0x1F_FFFF) == (Status.OK, 0x3F_FFFF)
    machine.mmu[Word.CR0] = 1
    assert machine.mmu.probe(0x1234) == (Status.OK, 0x1234)
