"""Builders of page tables and EPT tables."""

import numpy as np
import pytest

from hardware_model.mmu.ept import EptTables, MemoryType
from hardware_model.mmu.paging import Entry, PageTables
from hardware_model.mmu.tables import TableError


@pytest.fixture
def memory():
    return np.zeros(1 << 16, np.uint64)


def test_tables_are_taken_from_their_region_in_order(memory):
    tables = PageTables(memory, 0x10000, 0x10000)
    tables.map(0, 0x5000, 0x2000)
    assert tables.root == 0x10000
    assert tables.used == 0x14000
    assert tables.read(0x10000) == 0x11000 | 7
    assert tables.read(0x13008) == 0x6000 | int(Entry.P | Entry.RW)


def test_a_guest_s_tables_lie_at_an_offset_and_hold_guest_addresses(memory):
    tables = PageTables(memory, 0x1000, 0x4000, offset=0x20000)
    tables.map(0, 0, 0x1000)
    assert int(memory[0x21000 >> 3]) == 0x2000 | 7


def test_ept_entries_hold_permissions_and_memory_type(memory):
    tables = EptTables(memory, 0x10000, 0x10000)
    tables.map(0x20_0000, 0x40_0000, 2 << 20, 1, 2 << 20, MemoryType.UC)
    assert tables.read(tables.entry_address(0x20_0000, 2)) == 0x40_0000 | 1 << 7 | 1
    assert tables.eptp() == 0x10000 | 0x1E
    assert tables.eptp(accessed_dirty=True) == 0x10000 | 0x5E


def test_mappings_that_cannot_be_built_are_refused(memory):
    tables = PageTables(memory, 0x10000, 0x4000)
    with pytest.raises(TableError, match="not aligned"):
        tables.map(0x123, 0, 4096)
    with pytest.raises(TableError, match="page size 8192"):
        tables.map(0, 0, 8192, page_size=8192)
    tables.map(0, 0, 2 << 20, page_size=2 << 20)
    with pytest.raises(TableError, match="0x1000 is already mapped by a larger page"):
        tables.map(0x1000, 0, 4096)
    with pytest.raises(TableError, match="no room for a table"):
        tables.map(1 << 39, 0, 4096)
    with pytest.raises(TableError, match="whole 4 KiB frames"):
        PageTables(memory, 0x123, 0x1000)
    with pytest.raises(TableError, match="no level-1 table translates 0x0"):
        tables.entry_address(0, 1)
