"""The two-dimensional walker against the oracle of EPT, and the order of both dimensions' faults."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_model.mmu import access, invalidation
from hardware_model.mmu.state import Kind, Status, Word
from hardware_model.mmu.unit import Mmu
from hardware_model.native import native
from tests.proofs import ept_oracle as E
from tests.proofs.figures import counted
from tests.proofs.test_paging_oracle import BARE

WALKS = [(upper, leaf) for leaf in (1, 2, 3) for upper in range(leaf + 1, 5)]
GUEST_FRAMES, EPT_FRAMES = 8, 8
PAGE = 0x1000
VA, GPA = 0x0000_0080_8060_4000, 0x1_4060_5000  # different indices on every level of the EPT
_ERROR_WORDS = (int(Word.EPTP), int(Word.OUT_QUALIFICATION))


@native
def walk_all(ram, mmu, counters, va, cases, upper_at, leaf_at, eptp, results):
    """Rows of `cases` (upper, leaf, kind, enabled) walked cold; rows of `results`: status, qualification, entries."""
    for i in range(len(cases)):
        ram[upper_at], ram[leaf_at] = cases[i, 0], cases[i, 1]
        mmu[4] = np.uint64(eptp) | cases[i, 3] << np.uint64(6)
        invalidation.flush_everything(mmu, counters)
        kind = np.int64(cases[i, 2])
        status = access.translate(ram, mmu, counters, np.uint64(va), kind, False, False)
        results[i, 0] = status
        results[i, 1] = mmu[22] if status == 2 else np.uint64(0)
        results[i, 2], results[i, 3] = ram[upper_at], ram[leaf_at]


class Nest:
    """A guest's tables in frames 1 to 4 (guest-physical = machine), mapped by an EPT in frames 8 and up.

    The guest maps VA to GPA, whose EPT walk is apart from that of the tables below 512 GiB: PML4 slot 0 of the EPT
    serves both, so the tables are mapped by one EPT leaf of 2 MiB and GPA by entries of its own.
    """

    def __init__(self) -> None:
        self.mmu = Mmu(np.zeros(0x20000 // 8, np.uint64), BARE)
        self.mmu[Word.CR0], self.mmu[Word.EFER] = 0x80010001, 0xD00
        self.mmu[Word.CR4], self.mmu[Word.CR3] = 0x20, PAGE
        for level in (4, 3, 2):
            self._put((5 - level) * PAGE, VA, level, (6 - level) * PAGE | 0x67)
        self._put(4 * PAGE, VA, 1, GPA | 0x67)
        self.root = 8 * PAGE
        for frame, address in ((8, 0), (9, 0)):
            self._put(frame * PAGE, address, 12 - frame, (frame + 1) * PAGE | 7)
        self._put(10 * PAGE, 0, 2, 0x80 | 6 << 3 | 7)  # the first 2 MiB as they are

    def _put(self, table: int, address: int, level: int, entry: int) -> None:
        self.mmu.ram[table + 8 * (address >> 12 + 9 * (level - 1) & 511) >> 3] = entry

    def map_gpa(self, leaf_level: int) -> dict[int, int]:
        """Entries for GPA with everything allowed; where each level's lies, by level."""
        at = {4: self.root, 3: 9 * PAGE, 2: 11 * PAGE, 1: 12 * PAGE}
        where = {level: at[level] + 8 * (GPA >> 12 + 9 * (level - 1) & 511) for level in at}
        for level in (3, 2):
            if level > leaf_level:
                self.mmu.ram[where[level] >> 3] = at[level - 1] | 7
        self.mmu.ram[where[leaf_level] >> 3] = self.leaf(leaf_level) | 6 << 3 | 7
        return where

    @staticmethod
    def leaf(level: int) -> int:
        """Address and PS of a leaf."""
        return 0x4000_0000 | (0x80 if level > 1 else 0)


@pytest.mark.parametrize(("upper", "leaf"), [w for w in WALKS if w[0] < 4])
def test_the_walker_agrees_with_the_manual_on_every_ept_entry(upper: int, leaf: int) -> None:
    nest = Nest()
    where = nest.map_gpa(leaf)
    cases, p = E.every_case(upper, leaf), None
    p = E.predict(cases, upper, leaf)
    above, below = np.uint64(int(nest.mmu.ram[where[upper] >> 3]) & ~7), np.uint64(nest.leaf(leaf))
    rows = np.stack([cases.upper | above, cases.leaf | below, cases.kind, cases.enabled], axis=1)
    expected = np.stack([p.status, p.qualification, p.upper | above, p.leaf | below], axis=1)
    results = np.zeros((len(rows), 4), np.uint64)
    at = [where[level] >> 3 for level in (upper, leaf)]
    walk_all(
        nest.mmu.ram, nest.mmu.state, nest.mmu.counters, VA, rows, *at, nest.root | 0x1E, results
    )
    wrong = np.nonzero((results != expected).any(axis=1))[0]
    counted("EPT oracle: walker", len(rows))
    found = [(list(map(hex, m[i].tolist()))) for i in wrong[:3] for m in (rows, results, expected)]
    assert not found, found


RIGHTS = range(8)


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("kind", list(Kind))
def test_both_dimensions_together_fail_in_the_order_of_the_walk(kind: Kind, enabled: bool) -> None:
    """Guest leaf x EPT rights of the guest's page table x EPT rights of the page (28.3.3.2, and 28.3.5 for the flags)."""
    for guest in (0, 1, 3, 0x23, 0x63, 1 << 63 | 0x63):
        for table in RIGHTS:
            for page in RIGHTS:
                if table & 3 == 2 or page & 3 == 2:
                    continue  # misconfigured
                _compose(guest, table, page, kind, enabled)


def _compose(guest: int, table: int, page: int, kind: Kind, enabled: bool) -> None:
    nest = Nest()
    where = nest.map_gpa(1)
    # the last guest table moves to a guest-physical page of its own, 4 KiB below GPA
    nest.mmu.ram[where[1] - 8 >> 3] = 4 * PAGE | 6 << 3 | table
    nest.mmu.ram[where[1] >> 3] = 0x4000_0000 | 6 << 3 | page
    nest._put(3 * PAGE, VA, 2, GPA - PAGE | 0x67)
    nest._put(4 * PAGE, VA, 1, GPA | guest)
    nest.mmu[Word.EPTP] = nest.root | 0x1E | enabled << 6
    status = nest.mmu.translate(VA, kind)
    counted("EPT oracle: both dimensions")
    assert status == _expected(guest, table, page, kind, enabled), (guest, table, page)
    if status == Status.EPT_VIOLATION:
        final = nest.mmu[Word.OUT_QUALIFICATION] >> 8 & 1
        assert nest.mmu[Word.OUT_GPA] == (GPA if final else GPA - PAGE + 8 * (VA >> 12 & 511))


def _expected(guest: int, table: int, page: int, kind: Kind, enabled: bool) -> Status:
    if not table & 1 or (enabled and not table & 2):  # with flags, walks read and write tables
        return Status.EPT_VIOLATION
    forbidden = (kind is Kind.STORE and not guest & 2) or (kind is Kind.FETCH and guest >> 63)
    if not guest & 1 or forbidden:
        return Status.PAGE_FAULT
    sets_flags = not guest & 0x20 or (kind is Kind.STORE and not guest & 0x40)
    if sets_flags and not table & 2:
        return Status.EPT_VIOLATION
    return Status.OK if page & (1, 2, 4)[kind] else Status.EPT_VIOLATION
