"""What the manual says of a page-table walk, for every combination of entry bits, controls and accesses at once.

The predictor works on arrays, one element for each case, and is written from SDM vol. 3A chapter 4 alone: 4.5 (formats),
4.6 (access rights), 4.7 (page faults), 4.8 (accessed and dirty flags). A case has one upper entry and one leaf with all
their bits; the other levels permit everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

P, W, U, A, D, PS, NX = (1 << n for n in (0, 1, 2, 5, 6, 7, 63))
HIGH, LOW = (
    1 << 45,
    1 << 13,
)  # reserved: beyond the physical-address width; within a large page's frame
WP, NXE, SMEP, SMAP = 1, 2, 4, 8  # controls of a case
LOAD, STORE, FETCH = 0, 1, 2
OK, FAULT = 0, 1
UPPER_BITS = (P, W, U, A, NX, HIGH)
LEAF_BITS = (P, W, U, A, D, NX, HIGH)
LARGE_LEAF_BITS = (P, W, U, A, D, NX, HIGH, LOW)
CONTROLS = 16
ACCESSES = [(kind, user, ac) for kind in (LOAD, STORE, FETCH) for user in (0, 1) for ac in (0, 1)]


def combinations(bits: tuple[int, ...]) -> Bits:
    """Every sum of a subset of `bits`."""
    values = np.zeros(1, np.uint64)
    for bit in bits:
        values = np.concatenate([values, values | np.uint64(bit)])
    return values


@dataclass
class Cases:
    """One element of each array is one case."""

    upper: Bits
    leaf: Bits
    controls: Bits
    kind: Bits
    user: Bits
    ac: Bits

    def __len__(self) -> int:
        return len(self.leaf)


def every_case(leaf_bits: tuple[int, ...]) -> Cases:
    """All combinations of an upper entry, a leaf, the controls and the accesses."""
    accesses = np.arange(len(ACCESSES), dtype=np.uint64)
    axes = (
        combinations(UPPER_BITS),
        combinations(leaf_bits),
        np.arange(CONTROLS, dtype=np.uint64),
        accesses,
    )
    upper, leaf, controls, number = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
    kind, user, ac = (np.array(column, np.uint64)[number] for column in zip(*ACCESSES, strict=True))
    return Cases(upper, leaf, controls, kind, user, ac)


@dataclass
class Predicted:
    """Outcome, error code, and the entries afterwards."""

    fault: Flags
    error: Bits
    upper: Bits
    leaf: Bits


def _has(entry: Bits, bit: int) -> Flags:
    return (entry & np.uint64(bit)) != 0


def _reserved(c: Cases, entry: Bits, *, leaf: bool) -> Flags:
    """Bits that must be 0: the address beyond the width, bit 63 without NXE, a large page's low address bits."""
    found = _has(entry, HIGH) | (_has(entry, NX) & ~_has(c.controls, NXE))
    return found | _has(entry, LOW) if leaf else found


def _forbidden(c: Cases) -> Flags:
    """4.6.1: supervisor- and user-mode accesses to supervisor- and user-mode addresses."""
    both = c.upper & c.leaf
    user_address, writable = _has(both, U), _has(both, W)
    never = _has(c.upper | c.leaf, NX)
    user, load, store, fetch = c.user != 0, c.kind == LOAD, c.kind == STORE, c.kind == FETCH
    supervisor = ~user
    by_user = user & (~user_address | (store & ~writable) | (fetch & never))
    smap = supervisor & user_address & (load | store) & _has(c.controls, SMAP) & (c.ac == 0)
    smep = supervisor & user_address & fetch & _has(c.controls, SMEP)
    read_only = supervisor & store & ~writable & _has(c.controls, WP)
    return by_user | smap | smep | read_only | (supervisor & fetch & never)


def predict(c: Cases) -> Predicted:
    """The manual's answer to each case."""
    absent_above = ~_has(c.upper, P)
    malformed_above = ~absent_above & _reserved(c, c.upper, leaf=False)
    reached = ~absent_above & ~malformed_above
    absent = reached & ~_has(c.leaf, P)
    malformed = reached & ~absent & _reserved(c, c.leaf, leaf=True)
    forbidden = reached & ~absent & ~malformed & _forbidden(c)
    fault = ~reached | absent | malformed | forbidden
    protection = malformed_above | malformed | forbidden
    fetch_known = (c.kind == FETCH) & (_has(c.controls, NXE) | _has(c.controls, SMEP))
    error = (
        protection.astype(np.uint64)
        | (c.kind == STORE).astype(np.uint64) << np.uint64(1)
        | (c.user != 0).astype(np.uint64) << np.uint64(2)
        | (malformed_above | malformed).astype(np.uint64) << np.uint64(3)
        | fetch_known.astype(np.uint64) << np.uint64(4)
    )
    upper = np.where(reached, c.upper | np.uint64(A), c.upper)
    leaf = np.where(fault, c.leaf, c.leaf | np.uint64(A))
    leaf = np.where(~fault & (c.kind == STORE), leaf | np.uint64(D), leaf)
    return Predicted(fault, np.where(fault, error, 0).astype(np.uint64), upper, leaf)


@dataclass(frozen=True)
class Walk:
    """Where a case's two entries stand: the levels (4 is the PML4) of the upper entry and of the leaf."""

    upper: int
    leaf: int

    @property
    def leaf_bits(self) -> tuple[int, ...]:
        """The bits that its leaf takes."""
        return LEAF_BITS if self.leaf == 1 else LARGE_LEAF_BITS

    @property
    def always(self) -> int:
        """What the leaf has in any case: PS of a large page."""
        return 0 if self.leaf == 1 else PS


WALKS = [Walk(upper, leaf) for leaf in (1, 2, 3) for upper in range(leaf + 1, 5)]
VA = 1 << 39 | 2 << 30 | 3 << 21 | 4 << 12 | 0x123
PERMISSIVE = P | W | U
TARGET = 0x4000_0000  # the frame that leaves point at, aligned for every size
TABLES = 0x1000  # of the PML4; the tables of lower levels follow, one frame each


def table(level: int) -> int:
    """Physical address of the table of a level."""
    return TABLES + (4 - level) * 0x1000


def entry_address(level: int) -> int:
    """Physical address of VA's entry of a level."""
    return table(level) + 8 * (VA >> (12 + 9 * (level - 1)) & 511)


def pointer(level: int) -> int:
    """Address bits of the entry of a level that is no leaf."""
    return table(level - 1)
