"""Page faults: every cause, with its exact error code (SDM vol. 3A section 4.7)."""

import pytest

from hardware_model.mmu.paging import Cr0, Cr4, Efer, Entry, PageFault
from hardware_model.mmu.state import Kind, Limit, Status, Word

VA = 0x40_0000_0000
P, W, U, RSVD, FETCHED = PageFault.P, PageFault.W, PageFault.U, PageFault.RSVD, PageFault.I
LOAD, STORE, FETCH = Kind.LOAD, Kind.STORE, Kind.FETCH
USER_PAGE = int(Entry.P | Entry.RW | Entry.US)
KERNEL_PAGE = int(Entry.P | Entry.RW)


def fault(machine, kind=LOAD, user=False, ac=False, va=VA):
    """The error code of an access that must fault."""
    assert machine.access(va, kind, user, ac) == Status.PAGE_FAULT
    return machine.mmu[Word.OUT_ERROR]


@pytest.mark.parametrize("level", [4, 3, 2, 1])
@pytest.mark.parametrize(
    ("kind", "user", "error"),
    [
        (LOAD, False, 0),
        (STORE, False, W),
        (FETCH, False, FETCHED),
        (LOAD, True, U),
        (STORE, True, U | W),
    ],
)
def test_a_missing_entry_at_any_level_faults_with_p_clear(native, level, kind, user, error):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, USER_PAGE)
    machine.set_entry(VA, ~int(Entry.P) & (1 << 64) - 1, level)
    assert fault(machine, kind, user) == error
    assert machine.counted()["walk.reference"] == 5 - level


@pytest.mark.parametrize("level", [4, 3, 2, 1])
def test_rights_of_all_levels_combine(native, level):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, USER_PAGE)
    entry = machine.entry(VA, level)
    machine.set_entry(VA, entry & ~int(Entry.RW), level)
    assert fault(machine, STORE) == P | W
    machine.set_entry(VA, entry & ~int(Entry.US), level)
    assert fault(machine, LOAD, user=True) == P | U
    machine.set_entry(VA, entry | int(Entry.NX), level)
    assert fault(machine, FETCH) == P | FETCHED
    assert fault(machine, FETCH, user=True) == P | FETCHED | U


def test_write_protection_binds_the_supervisor_only_with_wp(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, int(Entry.P | Entry.US))
    assert fault(machine, STORE) == P | W
    machine.mmu[Word.CR0] = Cr0.PE | Cr0.PG
    assert machine.access(VA, STORE) == Status.OK
    assert fault(machine, STORE, user=True) == P | W | U


def test_smep_forbids_supervisor_fetches_of_user_pages(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, USER_PAGE)
    assert machine.access(VA, FETCH) == Status.OK
    machine.mmu[Word.CR4] |= Cr4.SMEP
    assert fault(machine, FETCH) == P | FETCHED
    assert machine.access(VA, FETCH, user=True) == Status.OK
    assert machine.access(VA, LOAD) == Status.OK


def test_smap_forbids_supervisor_data_accesses_of_user_pages_unless_ac(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, USER_PAGE)
    machine.mmu[Word.CR4] |= Cr4.SMAP
    assert fault(machine, LOAD) == P
    assert fault(machine, STORE) == P | W
    assert machine.access(VA, STORE, ac=True) == Status.OK
    assert machine.access(VA, FETCH) == Status.OK
    assert machine.access(VA, LOAD, user=True) == Status.OK


KEY_3 = 3 << 59


def keyed(native, denied: int, flags: int = int(Entry.P | Entry.RW)):
    """A page with key 3, for which IA32_PKRS has the bits `denied`."""
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, flags | KEY_3)
    machine.mmu[Word.CR4] |= Cr4.PKS
    machine.mmu[Word.PKRS] = denied << 6
    return machine


def test_a_protection_key_denies_data_accesses_of_supervisor_pages_but_no_fetch(native):
    machine = keyed(native, 1)
    assert machine.access(VA, FETCH) == Status.OK
    assert fault(machine, LOAD) == P | PageFault.PK
    assert fault(machine, STORE) == P | W | PageFault.PK
    assert machine.access(VA, FETCH) == Status.OK
    assert fault(machine, LOAD, user=True) == P | U


def test_a_protection_key_denies_stores_alone_and_with_wp_only(native):
    machine = keyed(native, 2)
    assert machine.access(VA, LOAD) == Status.OK
    assert fault(machine, STORE) == P | W | PageFault.PK
    machine.mmu[Word.CR0] = Cr0.PE | Cr0.PG
    assert machine.access(VA, STORE) == Status.OK


def test_protection_keys_of_user_pages_and_of_other_keys_deny_a_supervisor_nothing(native):
    machine = keyed(native, 3, USER_PAGE)
    assert machine.access(VA, STORE) == Status.OK
    machine = keyed(native, 0)
    machine.mmu[Word.PKRS] = 0xFFFFFFFF & ~(3 << 6)
    assert machine.access(VA, STORE) == Status.OK


def test_without_pks_the_key_is_ignored(native):
    machine = keyed(native, 3)
    machine.mmu[Word.CR4] = Cr4.PAE | Cr4.PGE
    assert machine.access(VA, STORE) == Status.OK


def test_rights_of_a_key_apply_to_a_cached_translation_too(native):
    machine = keyed(native, 0)
    assert machine.access(VA, LOAD) == Status.OK
    machine.mmu[Word.PKRS] = 1 << 6
    assert fault(machine, LOAD) == P | PageFault.PK


def test_without_nxe_the_nx_bit_is_reserved_and_fetches_are_not_reported(native):
    machine = native()
    machine.mmu[Word.EFER] = Efer.LME | Efer.LMA
    machine.tables.map(VA, 0x5000, 4096, USER_PAGE | int(Entry.NX))
    assert fault(machine, LOAD) == P | RSVD
    assert fault(machine, FETCH) == P | RSVD
    machine.mmu[Word.CR4] |= Cr4.SMEP
    assert fault(machine, FETCH) == P | RSVD | FETCHED


@pytest.mark.parametrize(
    ("level", "bits"),
    [(level, 1 << bit) for level in (4, 3, 2, 1) for bit in (40, 51)] + [(4, int(Entry.PS))],
)
def test_reserved_bits_of_each_level_fault(native, level, bits):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    machine.set_entry(VA, machine.entry(VA, level) | bits, level)
    assert fault(machine, STORE) == P | W | RSVD


@pytest.mark.parametrize(("page_size", "level"), [(2 << 20, 2), (1 << 30, 3)])
def test_a_large_page_reserves_the_bits_below_its_frame_but_not_pat(native, page_size, level):
    machine = native()
    machine.tables.map(VA, page_size, page_size, page_size=page_size)
    entry = machine.entry(VA, level)
    for bit in range(13, page_size.bit_length() - 1):
        machine.set_entry(VA, entry | 1 << bit, level)
        assert fault(machine) == P | RSVD
    machine.set_entry(VA, entry | int(Entry.PAT_LARGE), level)
    assert machine.load(VA + 0x3000) == page_size + 0x3000


def test_bit_7_of_a_4k_leaf_is_pat(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096, KERNEL_PAGE | int(Entry.PS))
    assert machine.load(VA) == 0x5000


def test_a_processor_without_1g_pages_reserves_ps_in_a_pdpte(native):
    machine = native()
    machine.tables.map(VA, 0, 1 << 30, page_size=1 << 30)
    machine.mmu[Word.LIMITS] = Limit.NO_1G_PAGES
    assert fault(machine) == P | RSVD


def test_reserved_bits_of_an_absent_entry_are_ignored(native):
    machine = native()
    machine.tables.map(VA, 0x5000, 4096)
    machine.set_entry(VA, 1 << 51)
    assert fault(machine) == 0


def test_a_wider_physical_address_has_fewer_reserved_bits(native):
    machine = native()
    machine.tables.map(VA, 1 << 40, 4096)
    assert fault(machine) == P | RSVD
    machine.mmu[Word.MAXPHYADDR] = 46
    assert machine.load(VA) == 1 << 40
