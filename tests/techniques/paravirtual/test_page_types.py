"""Direct paging against the reference model: random updates, pins, switches of roots, and attacks."""

from __future__ import annotations

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from .page_type_world import FIRST, PAGE, READ_ONLY, World, follow, operations


@settings(max_examples=400, deadline=None)
@given(st.lists(operations, max_size=30))
def test_no_sequence_makes_a_page_table_writable_or_a_count_wrong(script: list[tuple]) -> None:
    follow(script)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(10))
def test_no_long_sequence_does_either(first: int) -> None:
    @seed(first)
    @settings(max_examples=500, deadline=None, database=None)
    @given(st.lists(operations, max_size=150))
    def no_sequence(script: list[tuple]) -> None:
        follow(script)

    no_sequence()  # Hypothesis forgets what it tried with each run


def test_a_page_table_cannot_be_mapped_writable() -> None:
    world = World()
    assert world.pin(FIRST, 4) == (True, True)
    assert world.update(FIRST + 3, 1, FIRST + 3 << 12 | PAGE) == (False, False)
    assert world.update(FIRST + 3, 1, FIRST + 3 << 12 | READ_ONLY) == (True, True)


def test_a_writable_page_cannot_become_a_page_table() -> None:
    world = World()
    world.pin(FIRST, 4)
    assert world.pin(FIRST + 4, 1) == (False, False)
    assert world.update(FIRST + 3, 0, FIRST + 4 << 12 | READ_ONLY) == (True, True)
    assert world.pin(FIRST + 4, 1) == (True, True)


def test_a_change_of_type_flushes_the_tlb_unless_that_has_happened() -> None:
    world = World()
    world.pin(FIRST, 4)
    world.update(FIRST + 3, 0, FIRST + 4 << 12 | READ_ONLY)
    world.pin(FIRST + 4, 1)
    assert world.flushes == 1
    world.update(FIRST + 3, 1, FIRST + 5 << 12 | PAGE)
    world.update(FIRST + 3, 1, 0)
    world.types.flushed()
    world.pin(FIRST + 5, 1)
    assert world.flushes == 1


def test_an_update_may_preserve_what_the_processor_noted() -> None:
    """MMU_PT_UPDATE_PRESERVE_AD: accessed and dirty stay set, in an entry that is cleared too."""
    world = World()
    world.pin(FIRST, 4)
    at = (FIRST + 3) << 12
    world.ram.write64(at, world.ram.read64(at) | 0x60)
    world.tables.update(at, FIRST + 4 << 12 | 0x3, preserve_ad=True)
    assert world.ram.read64(at) & 0x63 == 0x63
    world.tables.update(at, FIRST + 4 << 12 | 0x3)
    assert world.ram.read64(at) & 0x63 == 0x03
    world.ram.write64(at, world.ram.read64(at) | 0x60)
    world.tables.update(at, 0, preserve_ad=True)
    assert world.ram.read64(at) == 0x60
    world.check()
