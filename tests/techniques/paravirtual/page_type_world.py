"""Direct paging and its reference model over the same memory, and random operations on both."""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
from hypothesis import strategies as st

from hardware_model import counters
from techniques.paravirtual.abi import HypercallError
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

    def write(self, address: int, data: bytes) -> None:
        self.words[address >> 3 : address + len(data) >> 3] = np.frombuffer(data, np.uint64)


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
