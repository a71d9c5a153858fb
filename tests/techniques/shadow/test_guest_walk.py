"""The VMM's software walk against a small walker written from the manual in plain Python, on random tables."""

from __future__ import annotations

import numpy as np
from hypothesis import given

from hardware_model import counters
from hardware_model.counters import as_dict
from hardware_model.mmu.state import Kind
from techniques.shadow.guest_walk import FETCH, LOAD, SMAP_LIFTED, STORE, USER, GuestWalker
from techniques.shadow.paging_mode import GuestPaging, ProcessorLimits, paging_mode
from tests.hardware_model.mmu.test_against_reference import (
    Fault,
    Reference,
    accesses,
    addresses,
    controls,
    few,
    random_memory,
    seeds,
)
from tests.techniques.shadow.processors import RW, A, D, Memory, P

KINDS = {Kind.LOAD: LOAD, Kind.STORE: STORE, Kind.FETCH: FETCH}
HIGH_HALF = 0xFFFF << 48


class Walked:
    """Guest memory, its walker, and the manual's walk of a copy of it."""

    def __init__(self, words, control=(True, False, False, True, 0)):
        write_protect, smep, smap, no_execute, root = control
        self.words = words
        self.counters = counters.new()
        self.paging = GuestPaging(
            1 << 31 | write_protect << 16 | 1,
            root << 12,
            1 << 5 | smep << 20 | smap << 21,
            0x500 | no_execute << 11,
        )
        self.walker = GuestWalker(Memory(words), self.counters)
        self.walker.configure(self.paging, paging_mode(self.paging, ProcessorLimits()))

    def counted(self):
        found = as_dict(self.counters)
        self.counters[:] = 0
        return found

    def manual(self):
        paging = self.paging
        return Reference(self.words.copy(), paging.cr0, paging.cr4, paging.efer, paging.cr3, 0)


@few
@given(seeds, controls, accesses)
def test_every_walk_agrees_with_the_manual(seed, control, walks):
    guest = Walked(random_memory(seed), control)
    for va, kind, user, ac in walks:
        manual = guest.manual()
        try:
            expected = manual.access(va, int(kind), user, ac)[1:]
        except Fault as fault:
            expected = fault.args[1]
        access = KINDS[kind] | user * USER | ac * SMAP_LIFTED
        found = guest.walker.walk(va, access)
        if not isinstance(found, int):
            assert len(found.path) == 4 - found.level
            found = found.gpa, 3 + 9 * found.level
        assert found == expected
        assert (guest.words == manual.ram).all()
        assert guest.counted()["mmu.guest_entry_read"] == manual.references


@few
@given(seeds, controls, addresses)
def test_a_probe_finds_what_any_access_finds_and_changes_nothing(seed, control, va):
    guest = Walked(random_memory(seed), control)
    before = guest.words.copy()
    probed = guest.walker.probe(va)
    assert (guest.words == before).all()
    assert guest.counted().keys() == {"mmu.guest_entry_read"}
    found = guest.walker.walk(va, LOAD)
    if not isinstance(found, int):
        assert probed == found.gpa
    elif not found & P or found & 8:
        assert probed is None


def test_a_table_that_leads_to_itself_gets_its_accessed_flag_once():
    words = np.zeros(512, np.uint64)
    words[0] = P | RW
    guest = Walked(words)
    found = guest.walker.walk(0x123, STORE)
    assert (found.gpa, found.level, found.path) == (0x123, 1, ((0, RW),) * 3)
    assert words[0] == P | RW | A | D
    assert guest.counted() == {"mmu.guest_entry_read": 4, "mmu.ad_propagated": 2}


def test_the_upper_half_of_the_linear_addresses_is_walked_too():
    words = np.zeros(512, np.uint64)
    words[0], words[256] = P | RW | A, P | RW | A
    guest = Walked(words)
    address = HIGH_HALF | 1 << 47 | 0x10
    assert guest.walker.walk(address, LOAD).gpa == guest.walker.probe(address) == 0x10
