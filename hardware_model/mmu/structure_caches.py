"""The paging-structure caches: where a walk may start below the root (Intel SDM vol. 3A 4.10.3).

An entry stands for the table that the cached PDE, PDPTE or PML4E leads to: word 2 holds the table's
machine frame and the rights of the entries above it, accumulated; EPT_WRITE tells whether the EPT
lets the walk write there. Word 3 holds the table's guest-physical frame.
"""

from __future__ import annotations

import numpy as np

from hardware_model import counters as declared
from hardware_model.counters import CounterArray
from hardware_model.mmu.paging import Cr0
from hardware_model.mmu.rights import NX, USER, WRITE
from hardware_model.mmu.state import DESCRIPTOR_WORDS, Kind, State, Word
from hardware_model.mmu.tlb import (
    LINEAR,
    NONE,
    SIZE_SHIFT,
    VALID,
    claim,
    find,
    page_of,
    signed,
    size_code,
)
from hardware_model.native import inner

U = np.uint64
_WP = U(Cr0.WP)
_HIT_PDE = declared.index("psc.pde.hit")
_HIT_PDPTE = declared.index("psc.pdpte.hit")
_HIT_PML4E = declared.index("psc.pml4e.hit")


@inner
def _denies(mmu: State, rights: np.uint64, kind: int, user: bool) -> bool:
    """Whether the entries above deny the access already, whatever the entries below say."""
    if user and not rights & USER:
        return True
    if kind == Kind.STORE:
        return not rights & WRITE and (user or mmu[Word.CR0] & _WP != NONE)
    return kind == Kind.FETCH and rights & NX != NONE


@inner
def start(
    mmu: State, counters: CounterArray, va: np.uint64, kind: int, user: bool, tag: np.uint64
) -> int:
    """Word of the lowest entry from which the walk of `va` can start, or -1 for the root.

    An entry whose rights deny the access is dropped, so that no fault is due to a stale one.
    """
    linear = va & LINEAR
    for level in range(3):
        descriptor = Word.STRUCTURE_DESCRIPTORS + DESCRIPTOR_WORDS * level
        slot = find(mmu, descriptor, linear, U(level + 1), tag)
        if slot >= 0:
            if not _denies(mmu, mmu[slot + 2], kind, user):
                hit = _HIT_PDE if level == 0 else (_HIT_PDPTE if level == 1 else _HIT_PML4E)
                counters[hit] += U(1)
                return slot
            mmu[slot] = NONE
    return -1


@inner
def insert(
    mmu: State, va: np.uint64, shift: np.uint64, tag: np.uint64, target: np.uint64, guest: np.uint64
) -> None:
    """Cache the entry of 2^`shift` bytes around `va`; `target` and `guest` are words 2 and 3."""
    code = size_code(shift)
    descriptor = Word.STRUCTURE_DESCRIPTORS + DESCRIPTOR_WORDS * (signed(code) - 1)
    if mmu[descriptor + 2] == NONE:
        return
    slot = claim(mmu, descriptor, va & LINEAR, code)
    mmu[slot] = page_of(va & LINEAR, code) | code << SIZE_SHIFT | VALID
    mmu[slot + 1] = tag
    mmu[slot + 2] = target
    mmu[slot + 3] = guest


@inner
def drop_path(mmu: State, va: np.uint64, tag: np.uint64) -> None:
    """Drop every entry that a walk of `va` could start from, as a page fault does (4.10.4.1)."""
    for level in range(3):
        descriptor = Word.STRUCTURE_DESCRIPTORS + DESCRIPTOR_WORDS * level
        slot = find(mmu, descriptor, va & LINEAR, U(level + 1), tag)
        if slot >= 0:
            mmu[slot] = NONE
