"""Numbers that a hostile guest puts into its rings, and rings as places in machine memory."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from techniques.technique import Technique

MASK = (1 << 64) - 1
_SIZES = (1, 2, 4, 8)
Ring = tuple[int, int]
"""Machine address and size."""


def number(guest: Technique, chance: Random) -> int:
    """Small, huge, or an address at an end of the guest's memory or of another's."""
    memory, end = guest.memory, guest.machine.partition.end
    beyond = end - memory.base  # as its guest-physical addresses would go on
    edges = (memory.size, memory.base, memory.base + memory.size, end, beyond, beyond - (1 << 20))
    return chance.choice(
        (
            chance.randrange(4),
            chance.randrange(256),
            chance.randrange(1 << 16),
            chance.randrange(1 << 64),
            (1 << 64) - 1,
            1 << 31,
            chance.randrange(memory.size),
            chance.choice(edges) + chance.choice((-512, -8, 0, 8, 4096)),
        )
    )


def scatter(guest: Technique, rings: Sequence[Ring], chance: Random) -> int:
    """Store a few random numbers in rings; how many. Headers and first entries matter most."""
    stores = chance.randrange(4) if rings else 0
    for _ in range(stores):
        at, size = chance.choice(rings)
        width = chance.choice(_SIZES)
        offset = chance.randrange(size if chance.random() < 0.5 else 128) & -width
        value = number(guest, chance) & (1 << 8 * width) - 1
        guest.machine.memory.write(at + offset, value.to_bytes(width, "little"))
    return stores
