"""EPT violations and their exit qualification, misconfigurations, EPT accessed and dirty flags."""

import pytest

from hardware_model.mmu.ept import EptEntry, EptViolation
from hardware_model.mmu.paging import Entry
from hardware_model.mmu.state import Kind, Limit, Status, Word

VA = 0x40_0000_0000
R, W, X = int(EptEntry.R), int(EptEntry.W), int(EptEntry.X)
RWX = R | W | X
VALID, TRANSLATION = int(EptViolation.LINEAR_VALID), int(EptViolation.TRANSLATION)
A, D = int(EptEntry.A), int(EptEntry.D)
LOAD, STORE, FETCH = Kind.LOAD, Kind.STORE, Kind.FETCH
MARKED = int(Entry.P | Entry.RW | Entry.A | Entry.D)


def guest(nested, flags=int(Entry.P | Entry.RW), **options):
    machine = nested(**options)
    machine.tables.map(VA, 0x5000, 4096, flags)
    return machine


def qualification(machine, kind=LOAD):
    assert machine.access(VA + 0x18, kind) == Status.EPT_VIOLATION
    return machine.mmu[Word.OUT_QUALIFICATION]


@pytest.mark.parametrize(
    ("permissions", "kind", "access"),
    [
        (p, k, 1 << k)
        for k in (LOAD, STORE, FETCH)
        for p in (0, R, X, R | W, R | X)
        if not p >> k & 1
    ],
)
def test_a_violation_by_the_access_itself(nested, permissions, kind, access):
    machine = guest(nested)
    machine.change_ept(0x5000, permissions, RWX)
    assert qualification(machine, kind) == access | permissions << 3 | VALID | TRANSLATION
    assert machine.mmu[Word.OUT_GPA] == 0x5018
    assert machine.counted()["walk.ept_violation"] == 1


def test_permissions_of_all_ept_levels_combine(nested):
    machine = guest(nested)
    machine.ept.map(0x5000 + (4 << 30), machine.offset, 4096, R | X)
    machine.change_ept(4 << 30, clear=X, level=3)
    machine.set_entry(VA, (4 << 30) + 0x5000 | int(Entry.P | Entry.RW))
    assert qualification(machine, STORE) == W | R << 3 | VALID | TRANSLATION


@pytest.mark.parametrize("level", [4, 3, 2, 1])
def test_a_guest_table_that_is_not_mapped(nested, level):
    machine = guest(nested)
    address = machine.tables.entry_address(VA, level)
    machine.change_ept(address, clear=RWX)
    assert qualification(machine, STORE) == R | VALID
    assert machine.mmu[Word.OUT_GPA] == address


def test_a_guest_table_that_is_not_mapped_with_ept_flags_enabled(nested):
    machine = guest(nested, accessed_dirty=True)
    machine.change_ept(machine.tables.entry_address(VA), clear=RWX)
    assert qualification(machine) == R | W | VALID


def test_a_read_only_guest_table_fails_the_update_of_its_flags(nested):
    machine = guest(nested)
    address = machine.tables.entry_address(VA)
    machine.change_ept(address, clear=W)
    assert qualification(machine) == R | W | (R | X) << 3 | VALID
    assert machine.mmu[Word.OUT_GPA] == address


def test_a_read_only_guest_table_may_be_read_when_its_flags_are_set(nested):
    machine = guest(nested, flags=MARKED)
    machine.change_ept(machine.tables.entry_address(VA), clear=W)
    for kind in (LOAD, STORE, FETCH):
        assert machine.access(VA, kind) == Status.OK


def test_with_ept_flags_enabled_every_access_to_a_guest_table_is_a_write(nested):
    machine = guest(nested, flags=MARKED, accessed_dirty=True)
    machine.change_ept(machine.tables.entry_address(VA), clear=W)
    assert qualification(machine) == R | W | (R | X) << 3 | VALID


def test_a_guest_page_fault_comes_before_the_violation_of_the_page(nested):
    machine = guest(nested, flags=int(Entry.P))
    machine.change_ept(0x5000, clear=RWX)
    assert machine.access(VA, STORE) == Status.PAGE_FAULT


@pytest.mark.parametrize(
    ("set_bits", "clear"),
    [
        (W, RWX),
        (W | X, RWX),
        *((kind << 3, 7 << 3) for kind in (2, 3, 7)),
        (1 << 40, 0),
        (1 << 51, 0),
    ],
)
def test_a_misconfigured_leaf(nested, set_bits, clear):
    machine = guest(nested)
    machine.change_ept(0x5000, set_bits, clear)
    assert machine.access(VA + 8) == Status.EPT_MISCONFIGURATION
    assert machine.mmu[Word.OUT_GPA] == 0x5008
    assert machine.counted()["walk.ept_misconfiguration"] == 1


@pytest.mark.parametrize(
    ("level", "bits"), [(4, 1 << 7), *((level, 1 << b) for level in (4, 3, 2) for b in (3, 6, 50))]
)
def test_a_misconfigured_entry_above_the_leaf(nested, level, bits):
    machine = guest(nested)
    machine.change_ept(0, bits, level=level)
    assert machine.access(VA) == Status.EPT_MISCONFIGURATION


def test_a_misaligned_large_ept_page_is_a_misconfiguration(nested):
    machine = guest(nested, ept_page=2 << 20)
    machine.change_ept(0x5000, 1 << 12, level=2)
    assert machine.access(VA) == Status.EPT_MISCONFIGURATION


def test_features_that_a_processor_lacks_are_misconfigurations(nested):
    machine = guest(nested)
    machine.change_ept(0x5000, X, RWX)
    assert machine.access(VA, FETCH) == Status.OK
    machine.mmu.flush_everything()
    machine.mmu[Word.LIMITS] = Limit.NO_EPT_EXECUTE_ONLY
    assert machine.access(VA, FETCH) == Status.EPT_MISCONFIGURATION
    large = guest(nested, ept_page=2 << 20)
    large.mmu[Word.LIMITS] = Limit.NO_EPT_2M_PAGES
    assert large.access(VA) == Status.EPT_MISCONFIGURATION


def test_ept_flags_are_set_when_enabled_and_only_then(nested):
    for enabled in (False, True):
        machine = guest(nested, accessed_dirty=enabled)
        machine.access(VA)
        page = machine.ept.read(machine.ept.entry_address(0x5000))
        table = machine.ept.read(machine.ept.entry_address(machine.tables.root))
        assert page & (A | D) == (A if enabled else 0)
        assert table & (A | D) == (A | D if enabled else 0)
        assert machine.ept.read(machine.ept.entry_address(0, 2)) & (A | D) == (A if enabled else 0)


def test_the_first_store_walks_again_to_set_ept_dirty(nested):
    machine = guest(nested, flags=MARKED, accessed_dirty=True)
    machine.access(VA)
    assert machine.mmu[Word.OUT_PROT] == 1
    assert machine.access(VA, STORE) == Status.OK
    assert machine.ept.read(machine.ept.entry_address(0x5000)) & D
    assert machine.mmu[Word.OUT_PROT] == 3


def test_a_violation_is_gone_once_the_ept_is_repaired(nested):
    machine = guest(nested)
    machine.change_ept(0x5000, clear=W)
    assert machine.access(VA) == Status.OK
    assert machine.access(VA, STORE) == Status.EPT_VIOLATION
    machine.change_ept(0x5000, W)
    assert machine.access(VA, STORE) == Status.OK
