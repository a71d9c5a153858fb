"""Random sequences of operations for `tlb_world`."""

from __future__ import annotations

import random

from tests.proofs.tlb_model import RW, US, A, D, G, P
from tests.proofs.tlb_world import Operation

VAS = [
    a << 30 | b << 21 | c << 12 | 0x18 for a, b, c in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 1))
]
_USABLE = P | RW | US | A | D
_FLAGS = (
    *[_USABLE] * 4,
    *[_USABLE | G] * 5,
    P | RW | US,
    P | RW | US | A,
    P | US | A,
    P | RW | A | D,
    _USABLE | 1 << 63,
    0,
)
_MACHINES = ((0, -1), (1, 0), (1, 1), (2, 1), (3, -1))
_LONGEST_STORY = 4
TELLING = (3852, 327, 269, 142)
"""Sequences that told a broken unit from a whole one when few others did."""


def sequence(seed: int) -> list[Operation]:
    """Stories, one after another: a page is used, something changes, something is invalidated, the page is used again."""
    chance = random.Random(seed)
    operations: list[Operation] = [("switch", (chance.choice(_MACHINES),))]
    for _ in range(chance.randrange(2, 9)):
        operations += _story(chance)
    return operations


def _story(chance: random.Random) -> list[Operation]:
    va = chance.choice(VAS)
    kind, user = chance.randrange(3), chance.random() < 0.5
    again: Operation = ("access", (va, kind, user))
    template = chance.randrange(8)
    if template == 0:
        return _large_page_in_pieces(chance, va, kind, user)
    if template == 1:
        return [("cr3", (1, 1, False)), again, _edit(chance, va), _invalidation(chance, va), again]
    story = [_edit(chance, va)] if chance.random() < 0.5 else []
    story.append(chance.choice((again, ("access", (va, 0, user)))))
    for _ in range(chance.randrange(_LONGEST_STORY)):
        story.append(_step(chance, va, again))
    return [*story, again]


def _large_page_in_pieces(chance: random.Random, va: int, kind: int, user: bool) -> list[Operation]:
    other: Operation = ("access", (va + 0x1000, kind, user))
    return [
        ("switch", (chance.choice(_MACHINES[1:4]),)),
        ("ept_large", (2,)),
        ("large", (va, _USABLE, 0)),
        ("access", (va, kind, user)),
        other,
        ("large", (va, _USABLE, 1)),
        _invalidation(chance, va),
        other,
    ]


def _step(chance: random.Random, va: int, again: Operation) -> Operation:
    kind = chance.randrange(10)
    if kind < 4:
        return _edit(chance, va)
    if kind < 8:
        return _invalidation(chance, va)
    near = chance.choice((*VAS, va + 0x1000))
    return again if kind == 8 else ("access", (near, chance.randrange(3), chance.random() < 0.5))


def _edit(chance: random.Random, va: int) -> Operation:
    flags, page = chance.choice(_FLAGS), chance.randrange(16, 32)
    return chance.choice(
        (
            ("remap", (va, page, flags)),
            ("remap", (va, page, flags)),
            ("move_table", (va, chance.randrange(2, 4), chance.randrange(3), flags)),
            ("large", (va, flags, chance.randrange(2))),
            ("ept_remap", (va, page, chance.randrange(8))),
            ("ept_table", (va, chance.randrange(7, 13))),
            ("ept_large", (chance.randrange(3),)),
        )
    )


def _invalidation(chance: random.Random, va: int) -> Operation:
    near = chance.choice((va, va, *VAS, va + 0x1000))
    vpid = chance.choice((0, 1, 1, 2, 3))
    return chance.choice(
        (
            ("invlpg", (near,)),
            ("invlpg", (near,)),
            ("cr3", (chance.randrange(1, 3), chance.randrange(2), chance.random() < 0.5)),
            ("cr3", (1, 1, chance.random() < 0.5)),
            ("invpcid", (chance.randrange(4), chance.randrange(2), near)),
            ("invvpid", (chance.randrange(4), vpid, near)),
            ("invept", (chance.randrange(1, 3), chance.randrange(2))),
            ("switch", (chance.choice(_MACHINES),)),
            ("switch", (chance.choice(_MACHINES),)),
            (chance.choice(("pge", "pcide")), (chance.random() < 0.7,)),
        )
    )
