"""Bitmap lookups and CR mask decisions against straightforward models."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_model.vmx import bitmaps

A, B, MSR = 0x3000, 0x1000, 0x4000
ALL_ONES = (1 << 64) - 1
registers = st.integers(0, ALL_ONES)
u64 = np.uint64

without_deadline = settings(deadline=None)
"""For tests whose first example compiles native code."""
msrs = st.one_of(
    st.integers(0, 0x2000),
    st.integers(0xBFFF_FFFF, 0xC000_2000),
    st.integers(0, 0xFFFF_FFFF),
)


def memory(*bits: tuple[int, int]) -> bitmaps.Words:
    """Machine memory of six pages with bit `b` of the bitmap at `a` set for each `(a, b)`."""
    octets = np.zeros(6 * 4096, np.uint8)
    for address, bit in bits:
        octets[address + bit // 8] |= 1 << bit % 8
    return octets.view(np.uint64)


def port_bit(port: int) -> tuple[int, int]:
    return (A, port) if port < 0x8000 else (B, port - 0x8000)


@without_deadline
@given(st.sets(st.integers(0, 0xFFFF), max_size=8), st.data(), st.sampled_from([1, 2, 4]))
def test_port_access_exits_if_any_touched_port_is_marked(
    marked: set[int], data: st.DataObject, size: int
) -> None:
    near = [max(0, port - 2) for port in marked] or [0]
    port = data.draw(st.one_of(st.sampled_from(near), st.integers(0, 0xFFFF)))
    touched = range(port, port + size)
    expected = port + size > 0x10000 or any(p in marked for p in touched)
    words = memory(*map(port_bit, marked))
    assert bitmaps.io_exits(words, A, B, port, size) == expected


def test_port_access_across_the_two_bitmaps_reads_both() -> None:
    assert bitmaps.io_exits(memory((B, 0)), A, B, 0x7FFF, 2)
    assert bitmaps.io_exits(memory((A, 0x7FFF)), A, B, 0x7FFF, 2)
    assert not bitmaps.io_exits(memory((B, 1)), A, B, 0x7FFF, 2)


def test_port_access_that_wraps_around_always_exits() -> None:
    assert bitmaps.io_exits(memory(), A, B, 0xFFFF, 2)
    assert not bitmaps.io_exits(memory(), A, B, 0xFFFF, 1)


@without_deadline
@given(st.sets(msrs, max_size=8), msrs, st.booleans(), st.booleans())
def test_msr_access_exits_if_marked_or_out_of_range(
    marked: set[int], other: int, write: bool, marked_for_write: bool
) -> None:
    low = [m for m in marked if m < 0x2000]
    high = [m for m in marked if 0xC000_0000 <= m < 0xC000_2000]
    base = MSR + (2048 if marked_for_write else 0)
    words = memory(*((base, m) for m in low), *((base + 1024, m - 0xC000_0000) for m in high))
    for msr in (*marked, other):
        in_range = msr < 0x2000 or 0xC000_0000 <= msr < 0xC000_2000
        expected = not in_range or (msr in marked and write == marked_for_write)
        assert bitmaps.msr_exits(words, MSR, msr, write) == expected


@without_deadline
@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 31), st.integers(0, 31), st.integers(0, 31))
def test_page_fault_bit_is_inverted_when_the_error_code_does_not_match(
    bitmap: int, mask: int, match: int, code: int
) -> None:
    matches = code & mask == match
    selected = bool(bitmap >> 14 & 1)
    assert bitmaps.exception_exits(bitmap, mask, match, 14, code) == (selected == matches)


@without_deadline
@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 31), st.integers(0, 0xFFFF))
def test_other_exceptions_exit_as_the_bitmap_says(bitmap: int, vector: int, code: int) -> None:
    if vector != 14:
        exits = bitmaps.exception_exits(bitmap, 1, 1, vector, code)
        assert exits == bool(bitmap >> vector & 1)


@without_deadline
@given(registers, registers, registers)
def test_guest_reads_back_what_it_wrote_without_an_exit(new: int, mask: int, shadow: int) -> None:
    real = ~shadow & ALL_ONES
    if not bitmaps.cr_write_exits(u64(new), u64(mask), u64(shadow)):
        written = bitmaps.cr_written(real, new, mask)
        assert int(bitmaps.cr_read(u64(written), u64(mask), u64(shadow))) == new
        assert written & mask == real & mask


@without_deadline
@given(registers, registers, registers)
def test_control_register_write_exits_if_it_changes_a_masked_bit(
    new: int, mask: int, shadow: int
) -> None:
    changed = bin((new ^ shadow) & mask).count("1")
    assert bitmaps.cr_write_exits(u64(new), u64(mask), u64(shadow)) == bool(changed)


def test_clts_exits_only_if_the_guest_sees_an_owned_ts() -> None:
    assert bitmaps.clts_exits(u64(8), u64(8))
    assert not bitmaps.clts_exits(u64(8), u64(0))
    assert not bitmaps.clts_exits(u64(0), u64(8))


@without_deadline
@given(st.integers(0, 15), st.integers(0, 15), st.integers(0, 15))
def test_lmsw_exits_like_a_write_that_cannot_clear_pe(source: int, mask: int, seen: int) -> None:
    effective = source | seen & 1
    assert bitmaps.lmsw_exits(u64(source), u64(mask), u64(seen)) == bool(
        (effective ^ seen) & mask & 0xF
    )


def test_cr3_write_exits_unless_it_loads_a_target_in_use() -> None:
    targets = np.array([0x1000, ALL_ONES, 0x3000, 0x4000], np.uint64)
    assert not bitmaps.cr3_write_exits(u64(0x1000), targets, 4)
    assert not bitmaps.cr3_write_exits(u64(ALL_ONES), targets, 4)
    assert bitmaps.cr3_write_exits(u64(0x3000), targets, 2)
    assert bitmaps.cr3_write_exits(u64(0x1000), targets, 0)


def test_native_words_are_accepted_in_any_mixture() -> None:
    assert not bitmaps.io_exits(memory(), u64(A), B, u64(0x3F8), 1)
    assert bitmaps.msr_exits(memory(), u64(MSR), u64(0x4000_0000), False)
    assert bitmaps.exception_exits(u64(1 << 14), 0, u64(0), 14, u64(2))
