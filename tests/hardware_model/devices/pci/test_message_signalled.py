"""MSI-X tables: masks and pending bits."""

from __future__ import annotations

import struct

import pytest

from hardware_model.devices.pci.configuration_space import ConfigurationSpace, Identity
from hardware_model.devices.pci.message_signalled import MsiX


@pytest.fixture
def table():
    space = ConfigurationSpace(Identity(1, 2, 3), ())
    found = MsiX(space, bar=1, entries=2)
    for number in range(2):
        for n, word in enumerate(struct.pack("<4I", 0xFEE00000, 0, 0x40 + number, 0)):
            found.write(16 * number + n, 1, word)
    found.space = space
    return found


def control(table, value):
    table.space.write(table.offset + 2, 2, value)


def test_nothing_is_sent_while_the_table_is_disabled(table):
    assert table.message(0) is None


def test_each_entry_has_its_message(table):
    control(table, 0x8000)
    assert [table.message(n) for n in range(2)] == [(0xFEE00000, 0x40), (0xFEE00000, 0x41)]


def test_a_masked_entry_is_pending_until_it_is_unmasked(table):
    control(table, 0x8000)
    table.write(12, 4, 1)
    assert table.message(0) is None
    assert table.read(32, 8) == 1
    assert table.unmasked() == []
    table.write(12, 4, 0)
    assert table.unmasked() == [0]
    assert table.read(32, 8) == 0


def test_the_function_mask_masks_all_entries(table):
    control(table, 0xC000)
    assert table.message(1) is None
    control(table, 0x8000)
    assert table.unmasked() == [1]


def test_a_number_beyond_the_table_has_no_message(table):
    control(table, 0x8000)
    assert table.message(2) is None
