"""Random guests under every policy against the same guests without a VMM, memory included.

Tables lead to one another at random, so frames are tables of several levels, and data, at once. The
guest invalidates whenever it changes an entry that was present; the processor's TLB never forgets.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FRAMES = 12
MIB = 1 << 20
DIRECT_SLOT, DIRECT_TABLES = 5, 500
DIRECT_MAP = DIRECT_SLOT << 39
BITS = {
    "wp": ("cr0", 16),
    "pge": ("cr4", 7),
    "smep": ("cr4", 20),
    "smap": ("cr4", 21),
    "nxe": ("efer", 11),
}
OFFSETS = (0, 8, 16)
FLAGS = [0x67] * 12 + [0x27] * 6 + [0x7] * 6 + [0x167, 0x127, 0x65, 0x63, 0x61, 0x25, 0x3, 0x5, 0]
ODD = [0] * 60 + [1 << 63] * 4 + [1 << 45, 1 << 62]
LARGE = [0x80, 0x20_0080, 0x20_1080, 0x40_0080, 0x80_0080, 0x2080]
ADDRESSES = [
    a << 39 | b << 30 | c << 21 | d << 12
    for a in range(2)
    for b in range(2)
    for c in range(3)
    for d in range(3)
]
STEPS = (
    ("access",) * 12 + ("store",) * 4 + ("edit",) * 6 + ("poke", "invlpg", "cr3", "cr3", "toggle")
)


class Program:
    """Random tables and steps, all from one source of chance."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.pick = chance.choice

    def entry(self):
        large = self.chance.random() < 0.12
        target = self.pick(LARGE) if large else self.chance.randrange(FRAMES) << 12
        return target | self.pick(FLAGS) | self.pick(ODD)

    def address(self):
        return self.pick(ADDRESSES) + self.pick(OFFSETS)

    def build(self, world):
        """Entries 0 to 2 of all frames; entry 5 is the guest's direct map of its memory."""
        for frame in range(FRAMES):
            for offset in OFFSETS:
                world[frame << 12 | offset] = self.entry()
            world[frame << 12 | 8 * DIRECT_SLOT] = DIRECT_TABLES << 12 | 3
        world[DIRECT_TABLES << 12] = (DIRECT_TABLES + 1) << 12 | 3
        for region in range(4):
            world[(DIRECT_TABLES + 1) << 12 | 8 * region] = region << 21 | 0x83

    def step(self):
        match self.pick(STEPS):
            case "access":
                kind = self.pick(["load", "load", "store", "fetch"])
                return "access", self.address(), kind, *self.flags()
            case "store":
                return "store", self.address(), *self.flags(), self.entry()
            case "edit" | "poke" as name:
                place = self.chance.randrange(FRAMES), self.pick(OFFSETS)
                return name, *place, self.entry()
            case "invlpg":
                return "invlpg", self.address()
            case "cr3":
                return "cr3", self.chance.randrange(3)
            case _:
                return "toggle", self.pick(sorted(BITS))

    def flags(self):
        return self.chance.random() < 0.3, self.chance.random() < 0.3


class Pair:
    """The guest in both worlds."""

    def __init__(self, world, policy, base, pool, prefetch):
        self.native = world.native()
        self.shadowed = world.start(policy, base, pool, prefetch)

    def change(self, gpa, value, store):
        """An entry may change: invalidate what the guest must."""
        old = self.native.memory.read64(gpa)
        store()
        if old & 1 and old != value:
            self.invalidate_everything()

    def both(self, va, kind, user, ac, value=None):
        expected = self.native.access(va, kind, user, ac, value)
        assert self.shadowed.access(va, kind, user, ac, value) == expected

    def access(self, va, kind, user, ac):
        self.both(va, kind, user, ac)

    def store(self, va, user, ac, value):
        gpa = self.shadowed.pager.translate(va)
        if gpa is None or gpa >= self.native.memory.size:
            self.both(va, "store", user, ac)
        else:
            self.change(gpa, value, lambda: self.both(va, "store", user, ac, value))

    def edit(self, frame, offset, value):
        gpa = frame << 12 | offset
        self.change(gpa, value, lambda: self.both(DIRECT_MAP + gpa, "store", False, False, value))

    def poke(self, frame, offset, value):
        gpa = frame << 12 | offset

        def store():
            self.shadowed.poke(gpa, value)
            self.native.memory.write64(gpa, value)

        self.change(gpa, value, store)

    def invlpg(self, va):
        self.shadowed.invlpg(va)

    def cr3(self, frame):
        """Address spaces may differ in what they hold global, so the guest invalidates that too."""
        old = self.native.registers
        self.native.registers = replace(old, cr3=frame << 12)
        self.shadowed.load_cr3(frame << 12)
        if old.cr4 & 1 << BITS["pge"][1] and old.cr3 != frame << 12:
            self.invalidate_everything()

    def invalidate_everything(self):
        for va in ADDRESSES:
            self.shadowed.invlpg(va)

    def toggle(self, name):
        register, bit = BITS[name]
        old = self.native.registers
        new = replace(old, **{register: getattr(old, register) ^ 1 << bit})
        self.native.registers = new
        self.shadowed.load_registers(new)

    def compare(self, words=None):
        expected, held = self.native.memory.words, self.shadowed.guest_words()
        assert (held[:words] == expected[:words]).all()


def run(world, policy, base, pool, chance, steps, prefetch=1):
    """Let a random guest take random steps; returns what it ran on."""
    program = Program(chance)
    program.build(world)
    pair = Pair(world, policy, base, pool, prefetch)
    for number in range(steps):
        name, *arguments = program.step()
        getattr(pair, name)(*arguments)
        pair.compare(FRAMES * 512)
        if number % 8 == 0:
            pair.shadowed.pager.check()
    pair.compare()
    pair.shadowed.pager.check()
    return pair.shadowed


MACHINES = pytest.mark.parametrize(
    ("base", "pool"),
    [(2 * MIB, 200), (2 * MIB, 9), (MIB + 4096, 200)],
    ids=["roomy", "tiny-pool", "misaligned"],
)


@MACHINES
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 1 << 32), steps=st.integers(1, 200), prefetch=st.sampled_from((1, 8)))
def test_the_guest_cannot_tell(new_world, policy, base, pool, seed, steps, prefetch):
    guest = run(new_world(5 * MIB), policy, base, pool, Random(seed), steps, prefetch)
    total, *parts = guest.counted("pf_total", "pf_fixed", "pf_guest", "pf_write_protect", "pf_mmio")
    assert sum(parts) == total
