"""Tables that map many untouched frames are validated at once, with the outcome of one entry after the other."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hardware_model import counters
from techniques.paravirtual import page_entries as E
from techniques.paravirtual.abi import HypercallError
from techniques.paravirtual.page_tables import PageTables
from techniques.paravirtual.page_types import FrameType, PageTypes

from .page_type_world import FIRST, FRAMES, PAGE, READ_ONLY, Ram

OWN = range(FIRST, FIRST + FRAMES)
FOREIGN, NO_MEMORY = 3, 4000
DIRECTORY, FIRST_LEAF = FIRST, FIRST + 1

leaves = st.tuples(
    st.sampled_from([*OWN, *OWN[3:], *OWN[3:], *OWN[3:]]),
    st.sampled_from([PAGE, PAGE, READ_ONLY, READ_ONLY, 0x67, 0x60, 0x167, 1 << 52 | READ_ONLY]),
)
tables = st.lists(st.lists(leaves, min_size=14, max_size=40), min_size=1, max_size=2)


class OneByOne(PageTypes):
    """Never takes frames at once."""

    def map_fresh(self, mfns: np.ndarray, writable: np.ndarray) -> bool:
        return False


def pin(
    kind: type[PageTypes], entries: list[list[tuple[int, int]]], kernel_is_user: bool
) -> tuple[object, ...]:
    """A directory over these tables is pinned, then unpinned: outcome, memory, frames and counters after each."""
    ram, count, flushes = Ram(), counters.new(), []
    page_tables = PageTables(ram, 64, count, {}, kernel_is_user=kernel_is_user)
    types = kind(OWN, page_tables, count, lambda: flushes.append(1))
    page_tables.attach(types)
    for number, table in enumerate(entries):
        leaf = FIRST_LEAF + number
        ram.write64((DIRECTORY << 12) + 8 * number, leaf << 12 | 0x67)
        for slot, (frame, bits) in enumerate(table):
            ram.write64((leaf << 12) + 8 * slot, frame << 12 | bits)
    seen: list[object] = []
    for action in (lambda: types.pin(DIRECTORY, FrameType.L2), lambda: types.unpin(DIRECTORY)):
        try:
            action()
        except HypercallError as error:
            seen.append(str(error))
        seen += [ram.words.tobytes(), count.data.tobytes(), len(flushes)]
        seen.append([astuple(types[mfn]) for mfn in OWN])
    return tuple(seen)


@settings(max_examples=300, deadline=None)
@given(tables, st.booleans())
@example([[(FIRST + 4, PAGE)] * 20], True)
@example([[(FIRST + 4, PAGE)] * 20, [(FIRST + 5, PAGE)] * 19 + [(FOREIGN, PAGE)]], True)
@example([[(FIRST + 4, PAGE)] * 20, [(NO_MEMORY, READ_ONLY)] * 20], True)
@example([[(FIRST + 4, PAGE)] * 20, [(FIRST + 1, PAGE)] * 20], False)
def test_at_once_or_one_by_one_is_the_same(
    entries: list[list[tuple[int, int]]], kernel_is_user: bool
) -> None:
    assert pin(PageTypes, entries, kernel_is_user) == pin(OneByOne, entries, kernel_is_user)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 0xFFF), min_size=1), st.booleans())
def test_leaves_are_adjusted_as_each_by_itself(entries: list[int], kernel_is_user: bool) -> None:
    together = E.adjusted_leaves(np.array(entries, np.uint64), kernel_is_user=kernel_is_user)
    assert together.tolist() == [
        E.adjusted(1, entry, kernel_is_user=kernel_is_user) for entry in entries
    ]


def test_untouched_frames_have_no_record_until_they_are_looked_at() -> None:
    """So a domain's memory costs what it touches."""
    ram, count = Ram(), counters.new()
    page_tables = PageTables(ram, 64, count, {})
    types = PageTypes(OWN, page_tables, count, lambda: None)
    page_tables.attach(types)
    for slot in range(20):
        ram.write64((FIRST << 12) + 8 * slot, FIRST + 1 + slot % 5 << 12 | PAGE)
    types.pin(FIRST, FrameType.L1)
    assert len(types._frames) == 1
    assert (types[FIRST + 1].references, types[FIRST + 1].type_count) == (5, 4)
    assert types.owns(FIRST + 8) and not types.owns(FOREIGN)
    with pytest.raises(KeyError):
        types[FOREIGN]
