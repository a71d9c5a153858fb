"""Direct paging against the reference model: random updates, pins, switches of roots, and attacks."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from hardware_model import counters
from techniques.paravirtual.abi import Errno, HypercallError
from techniques.paravirtual.page_tables import PageTables
from techniques.paravirtual.page_types import FrameType, PageTypes

from .reference_model import WRITABLE, Impossible, Model

FIRST, FRAMES = 16, 9
OWN = range(FIRST, FIRST + FRAMES)
FOREIGN, NO_MEMORY = 3, 4000
SLOTS = (0, 1, 255, 256, 271, 272, 511)
TABLE, PAGE, READ_ONLY = 0x67, 0x63, 0x61


class Ram:
    """Machine memory of 64 frames."""

    def __init__(self) -> None:
        self.words = np.zeros(64 * 512, np.uint64)

    def read64(self, address: int) -> int:
        return int(self.words[address >> 3])

    def write64(self, address: int, value: int) -> None:
        self.words[address >> 3] = value

    def read(self, address: int, size: int) -> bytes:
        return self.words[address >> 3 : address + size >> 3].tobytes()


class World:
    """The code under test and the model over the same memory."""

    def __init__(self) -> None:
        self.ram = Ram()
        self.flushes = 0
        count = counters.new()
        self.tables = PageTables(self.ram, 64, count, {256: 0x1000 | 0x25})
        self.types = PageTypes(OWN, self.tables, count, self._flush)
        self.tables.attach(self.types)
        self.model = Model(lambda f, s: self.ram.read64((f << 12) + 8 * s), frozenset(OWN), SLOTS)
        for frame in OWN[:3]:
            self.ram.write64(frame << 12, frame + 1 << 12 | TABLE)
        self.ram.write64(FIRST + 3 << 12, FIRST + 4 << 12 | PAGE)

    def _flush(self) -> None:
        self.flushes += 1

    # --- operations: what the model says, and what the code does ----------------------------------
    def pin(self, frame: int, level: int) -> tuple[bool, bool]:
        allowed = frame not in self.model.pins and self._possible([(frame, level)])
        done = self._try(lambda: self.types.pin(frame, FrameType(level)))
        if done:
            self.model.pins[frame] = level
        return allowed, done

    def unpin(self, frame: int) -> tuple[bool, bool]:
        allowed = frame in self.model.pins
        done = self._try(lambda: self.types.unpin(frame))
        self.model.pins.pop(frame, None)
        return allowed, done

    def switch(self, frame: int) -> tuple[bool, bool]:
        if frame == self.model.root:
            return True, True
        allowed = self._possible([(frame, 4)])
        done = self._try(lambda: self.types.get_page_and_type(frame, FrameType.L4))
        if done:
            old, self.model.root = self.model.root, frame
            if old:
                self.types.put_page_and_type(old)
        return allowed, done

    def update(self, frame: int, slot: int, entry: int) -> tuple[bool, bool]:
        allowed = self._may_update(frame, slot, entry)
        done = self._try(lambda: self.tables.update((frame << 12) + 8 * slot, entry))
        return allowed, done

    def flags(self, frame: int, slot: int, flags: int) -> tuple[bool, bool]:
        """An entry that is there keeps its frame."""
        return self.update(frame, slot, self.ram.read64((frame << 12) + 8 * slot) & ~0xFFF | flags)

    def _may_update(self, frame: int, slot: int, entry: int) -> bool:
        if frame not in OWN:
            return False
        counts = self.model.counts()
        level = counts.types.get(frame, WRITABLE)
        if isinstance(level, str):
            return True
        if level == 4 and 256 <= slot < 272:
            return False
        try:
            uses = self.model.needs(counts, level, slot, entry)
        except Impossible:
            return False
        return self._possible(uses)

    def _possible(self, extra: list[tuple[int, int | str]]) -> bool:
        try:
            self.model.counts(extra)
        except Impossible:
            return False
        return True

    @staticmethod
    def _try(action: object) -> bool:
        try:
            action()  # type: ignore[operator]
        except HypercallError:
            return False
        return True

    def snapshot(self) -> tuple[bytes, list[tuple[object, ...]]]:
        """All of memory, and everything that is known of each frame."""
        return self.ram.words.tobytes(), [astuple(self.types[frame]) for frame in OWN]

    # --- what must hold after each ----------------------------------------------------------------
    def check(self) -> None:
        counts = self.model.counts()
        for frame in OWN:
            real = self.types[frame]
            assert real.type_count == counts.uses[frame]
            assert real.references == 1 + counts.references[frame]
            assert real.pinned == (frame in self.model.pins)
            if real.type_count:
                wanted = counts.types[frame]
                assert real.type == (FrameType.WRITABLE if wanted == WRITABLE else wanted)
                assert real.validated
        tables = {f for f in OWN if self.types[f].type_count and self.types[f].type.is_table}
        assert not tables & counts.writable


frames = st.sampled_from([*OWN, *OWN, *OWN, FOREIGN, NO_MEMORY])
bits = st.sampled_from([TABLE, TABLE, TABLE, PAGE, PAGE, READ_ONLY, 0x60, 0xE7, 0x167, 0x73])
entries = st.builds(lambda frame, flags: frame << 12 | flags, frames, bits)
operations = st.one_of(
    st.tuples(st.just("pin"), frames, st.sampled_from([4, 4, 3, 2, 1])),
    st.tuples(st.just("unpin"), frames),
    st.tuples(st.just("switch"), st.sampled_from(OWN)),
    st.tuples(st.just("update"), frames, st.sampled_from(SLOTS), entries),
    st.tuples(st.just("update"), st.sampled_from(OWN), st.sampled_from(SLOTS[:2]), entries),
    st.tuples(st.just("flags"), st.sampled_from(OWN), st.sampled_from(SLOTS[:2]), bits),
)


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


def follow(script: list[tuple]) -> None:
    """The code and the model agree on each operation, and on every frame after it."""
    world = World()
    world.pin(FIRST, 4)
    world.check()
    for name, *arguments in script:
        before = world.snapshot()
        allowed, done = getattr(world, name)(*arguments)
        assert done == allowed, (name, arguments)
        if not done:
            assert world.snapshot() == before, (name, arguments)
        world.check()


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


ROOT, POINTERS, DIRECTORY, TABLE1, DATA, FREE, OTHER = (*OWN[:5], OWN[6], OWN[7])


def tree(world: World) -> None:
    """A pinned root; `DATA` is mapped writable, `FREE` and `OTHER` are nothing yet."""
    world.pin(ROOT, 4)


def prepared(world: World) -> None:
    """The same, and a second root in `FREE` whose fourth table is bad: it leads to three levels that are good."""
    world.ram.write64(OTHER << 12, FREE << 12 | READ_ONLY)  # as level 1 good
    world.ram.write64(OWN[8] << 12, OTHER << 12 | TABLE)  # as level 2 good
    tree(world)
    world.update(OWN[5], 0, OWN[8] << 12 | TABLE)  # as level 3 good
    world.update(OWN[5], 1, FOREIGN << 12 | TABLE)  # but for its second entry


REFUSED = {
    "a writable mapping of a page table": (TABLE1, 1, ROOT << 12 | PAGE, Errno.EBUSY),
    "a writable mapping of the table itself": (TABLE1, 1, TABLE1 << 12 | PAGE, Errno.EBUSY),
    "a frame of another domain": (TABLE1, 1, FOREIGN << 12 | READ_ONLY, Errno.EBUSY),
    "a frame that is no memory": (TABLE1, 1, NO_MEMORY << 12 | READ_ONLY, Errno.EPERM),
    "a forbidden bit in a page's entry": (TABLE1, 1, FREE << 12 | PAGE | 0x10, Errno.EINVAL),
    "a forbidden bit where nothing else changes": (TABLE1, 0, DATA << 12 | PAGE | 8, Errno.EINVAL),
    "a large page": (DIRECTORY, 1, FREE << 12 | TABLE | 0x80, Errno.EINVAL),
    "a forbidden bit in a table's entry": (DIRECTORY, 0, TABLE1 << 12 | TABLE | 8, Errno.EINVAL),
    "a table of the wrong level": (POINTERS, 1, TABLE1 << 12 | TABLE, Errno.EINVAL),
    "a linear page table": (ROOT, 1, ROOT << 12 | TABLE, Errno.EINVAL),
    "a page that is writable as a table": (DIRECTORY, 1, DATA << 12 | TABLE, Errno.EINVAL),
    "a table of another domain": (DIRECTORY, 1, FOREIGN << 12 | TABLE, Errno.EINVAL),
    "a slot of Xen's": (ROOT, 256, 0, Errno.EINVAL),
    "a table with a bad entry deep below": (ROOT, 1, OWN[5] << 12 | TABLE, Errno.EINVAL),
}


@pytest.mark.parametrize(("frame", "slot", "entry", "errno"), REFUSED.values(), ids=REFUSED)
def test_a_refused_update_changes_nothing_at_all(
    frame: int, slot: int, entry: int, errno: Errno
) -> None:
    world = World()
    prepared(world)
    before = world.snapshot()
    with pytest.raises(HypercallError) as refusal:
        world.tables.update((frame << 12) + 8 * slot, entry)
    assert refusal.value.errno is errno
    assert world.snapshot() == before


NOT_PINNED = {
    "a page that is writable": (DATA, 1),
    "a table of another level": (TABLE1, 2),
    "a frame of another domain": (FOREIGN, 4),
    "what is pinned already": (ROOT, 4),
    "a tree with a bad entry": (OWN[5], 3),
}


@pytest.mark.parametrize(("frame", "level"), NOT_PINNED.values(), ids=NOT_PINNED)
def test_a_refused_pin_changes_nothing_at_all(frame: int, level: int) -> None:
    world = World()
    prepared(world)
    before = world.snapshot()
    with pytest.raises(HypercallError) as refusal:
        world.types.pin(frame, FrameType(level))
    assert refusal.value.errno is Errno.EINVAL
    assert world.snapshot() == before


@pytest.mark.parametrize("frame", [DATA, TABLE1, FOREIGN])
def test_a_refused_unpin_changes_nothing_at_all(frame: int) -> None:
    world = World()
    prepared(world)
    before = world.snapshot()
    with pytest.raises(HypercallError) as refusal:
        world.types.unpin(frame)
    assert refusal.value.errno is Errno.EINVAL
    assert world.snapshot() == before


def test_descriptors_that_are_refused_are_left_as_they_were() -> None:
    """Two good frames of descriptors, whose privilege levels Xen would have changed, and one with a gate."""
    world = World()
    tree(world)
    world.ram.write64(FREE << 12, 0x00CF93000000FFFF)
    world.ram.write64(OTHER << 12, 0x0000EE0000000000)
    before = world.snapshot()

    def take() -> None:
        with world.types.all_or_nothing():
            world.types.get_page_and_type(FREE, FrameType.SEGMENT_DESCRIPTORS)
            try:
                world.types.get_page_and_type(OTHER, FrameType.SEGMENT_DESCRIPTORS)
            except HypercallError:
                world.types.put_page_and_type(FREE)
                raise

    with pytest.raises(HypercallError, match="no code or data segment"):
        take()
    assert world.snapshot() == before
