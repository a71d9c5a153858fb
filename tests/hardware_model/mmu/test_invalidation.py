"""What each invalidating operation drops, and what it leaves."""

import pytest

from hardware_model.mmu.invalidation import InveptType, InvpcidType, InvvpidType
from hardware_model.mmu.paging import CR3_KEEP, Cr4, Entry
from hardware_model.mmu.state import Kind, Word

VA = 0x40_0000_0000
GLOBAL_VA = 0x50_0000_0000
GLOBAL_PAGE = int(Entry.P | Entry.RW | Entry.G)


def cached(machine, va=VA, **registers):
    """Whether a load of `va` would hit, with header words set as given."""
    before = {word: machine.mmu[Word[word]] for word in registers}
    state = machine.mmu.state.copy()
    for word, value in registers.items():
        machine.mmu[Word[word]] = value
    machine.counted()
    machine.load(va)
    hit = "tlb.l1d.miss" not in machine.counted()
    machine.mmu.state[:] = state
    for word, value in before.items():
        machine.mmu[Word[word]] = value
    return hit


@pytest.fixture
def machine(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 8 * 4096)
    machine.tables.map(GLOBAL_VA, 0x9000, 8 * 4096, GLOBAL_PAGE)
    return machine


def warm(machine, **registers):
    """Load both pages with header words set as given, and leave the words so."""
    for word, value in registers.items():
        machine.mmu[Word[word]] = value
    machine.load(VA)
    machine.load(GLOBAL_VA)


def test_global_pages_survive_a_write_of_cr3(machine):
    warm(machine)
    machine.mmu.write_cr3(machine.tables.root)
    assert machine.mmu.evictions == [(VA, 12)]
    assert not cached(machine)
    assert cached(machine, GLOBAL_VA)


def test_global_means_nothing_without_pge(machine):
    warm(machine, CR4=int(Cr4.PAE))
    machine.mmu.write_cr3(machine.tables.root)
    assert not cached(machine, GLOBAL_VA)


def test_a_write_of_cr3_drops_the_structure_caches(machine):
    warm(machine)
    machine.mmu.write_cr3(machine.tables.root)
    machine.counted()
    machine.load(VA + 4096)
    assert machine.references() == 4


def test_invlpg_drops_one_page_global_or_not(machine):
    warm(machine)
    machine.load(VA + 4096)
    machine.mmu.invlpg(GLOBAL_VA + 0x123)
    assert machine.mmu.evictions == [(GLOBAL_VA, 12)]
    assert not machine.mmu.flush_all
    assert not cached(machine, GLOBAL_VA)
    assert cached(machine) and cached(machine, VA + 4096)


def test_invlpg_drops_both_first_levels_and_the_second(machine):
    warm(machine)
    machine.access(VA, Kind.FETCH)
    machine.mmu.invlpg(VA)
    assert machine.mmu.evictions == [(VA, 12)] * 2
    machine.counted()
    machine.load(VA)
    assert machine.counted()["tlb.l2.miss"] == 1


def test_invlpg_drops_a_large_page_by_any_of_its_addresses(native):
    machine = native()
    machine.tables.map(VA, 0x20_0000, 2 << 20, page_size=2 << 20)
    machine.load(VA + 0x1000)
    machine.mmu.invlpg(VA + 0x1F_F000)
    assert machine.mmu.evictions == [(VA, 21)]


def test_invlpg_drops_all_pieces_of_a_large_guest_page(nested):
    machine = nested()
    machine.tables.map(VA, 0x40_0000, 2 << 20, page_size=2 << 20)
    for offset in (0, 0x3000, 0x1F_F000):
        machine.load(VA + offset)
    machine.mmu.invlpg(VA + 0x10_0000)
    assert sorted(machine.mmu.evictions) == [(VA, 12), (VA + 0x3000, 12), (VA + 0x1F_F000, 12)]


def test_more_dropped_pieces_than_the_list_holds_flush_everything(nested):
    machine = nested()
    machine.tables.map(VA, 0x40_0000, 2 << 20, page_size=2 << 20)
    for number in range(20):
        machine.load(VA + number * 4096)
    machine.mmu.invlpg(VA)
    assert machine.mmu.flush_all


def test_pcids_keep_address_spaces_apart(machine):
    root = machine.tables.root
    pcide = int(Cr4.PAE | Cr4.PGE | Cr4.PCIDE)
    warm(machine, CR4=pcide, CR3=root | 1)
    assert cached(machine, CR3=root | 1) and not cached(machine, CR3=root | 2)
    assert cached(machine, GLOBAL_VA, CR3=root | 2)
    machine.mmu.write_cr3(root | 2)
    assert cached(machine, CR3=root | 1)
    machine.mmu.write_cr3(root | 1 | CR3_KEEP)
    assert machine.mmu[Word.CR3] == root | 1
    assert machine.mmu.flush_all and cached(machine)
    machine.mmu.write_cr3(root | 1)
    assert not cached(machine) and cached(machine, GLOBAL_VA)


def test_vpids_keep_machines_apart(machine):
    warm(machine, VPID=1)
    assert not cached(machine, VPID=2) and not cached(machine, GLOBAL_VA, VPID=2)
    machine.mmu.flush_vpid(2)
    assert not machine.mmu.evictions and cached(machine)
    machine.mmu.flush_vpid(1)
    assert sorted(machine.mmu.evictions) == [(VA, 12), (GLOBAL_VA, 12)]
    assert not cached(machine) and not cached(machine, GLOBAL_VA)


@pytest.mark.parametrize(
    ("kind", "vpid", "kept"),
    # kept: the page and the global page of VPID 1, the page of VPID 0
    [
        (InvvpidType.ADDRESS, 1, (False, True, True)),
        (InvvpidType.SINGLE_CONTEXT, 1, (False, False, True)),
        (InvvpidType.SINGLE_CONTEXT, 2, (True, True, True)),
        (InvvpidType.ALL, 0, (False, False, True)),
        (InvvpidType.SINGLE_CONTEXT_RETAINING_GLOBALS, 1, (False, True, True)),
    ],
)
def test_invvpid(machine, kind, vpid, kept):
    machine.load(VA)
    warm(machine, VPID=1)
    machine.mmu.invvpid(kind, vpid, VA)
    assert (cached(machine), cached(machine, GLOBAL_VA), cached(machine, VPID=0)) == kept


@pytest.mark.parametrize(
    ("kind", "pcid", "kept"),
    # kept: the page of PCID 1, the global page, the page of PCID 2
    [
        (InvpcidType.ADDRESS, 1, (False, True, True)),
        (InvpcidType.SINGLE_CONTEXT, 2, (True, True, False)),
        (InvpcidType.ALL, 0, (False, False, False)),
        (InvpcidType.ALL_RETAINING_GLOBALS, 0, (False, True, False)),
    ],
)
def test_invpcid(machine, kind, pcid, kept):
    root = machine.tables.root
    warm(machine, CR4=int(Cr4.PAE | Cr4.PGE | Cr4.PCIDE), CR3=root | 2)
    warm(machine, CR3=root | 1)
    machine.mmu.invpcid(kind, pcid, VA)
    other = cached(machine, CR3=root | 2)
    assert (cached(machine), cached(machine, GLOBAL_VA), other) == kept


def test_invpcid_of_an_address_retains_a_global_page(machine):
    warm(machine)
    machine.mmu.invpcid(InvpcidType.ADDRESS, 0, GLOBAL_VA)
    assert cached(machine, GLOBAL_VA)


def test_invept_drops_combined_and_guest_physical_translations_of_one_root(nested):
    machine = nested()
    machine.tables.map(VA, 0x5000, 4096)
    machine.load(VA)
    eptp = machine.mmu[Word.EPTP]
    machine.mmu.invept(InveptType.SINGLE_CONTEXT, eptp + 0x1000)
    assert cached(machine) and not machine.mmu.evictions
    machine.mmu.invept(InveptType.SINGLE_CONTEXT, eptp)
    assert machine.mmu.evictions == [(VA, 12)]
    machine.counted()
    machine.load(VA)
    assert machine.references() == 24


def test_invept_of_all_contexts_spares_translations_without_ept(machine, nested):
    machine.load(VA)
    machine.mmu.invept(InveptType.ALL)
    assert cached(machine)
    guest = nested()
    guest.tables.map(VA, 0x5000, 4096)
    guest.load(VA)
    guest.mmu.invept(InveptType.ALL)
    assert not cached(guest)


def test_flushing_everything_empties_every_cache(nested):
    machine = nested()
    machine.tables.map(VA, 0x5000, 4096)
    machine.load(VA)
    machine.mmu.flush_everything()
    machine.counted()
    machine.load(VA)
    assert machine.references() == 24


def test_operations_are_counted_by_their_reach(machine):
    machine.mmu.invlpg(VA)
    machine.mmu.write_cr3(machine.tables.root)
    machine.mmu.flush_vpid(0)
    assert machine.counted() == {
        "tlb.flush.page": 1,
        "tlb.flush.nonglobal": 1,
        "tlb.flush.all": 1,
    }
