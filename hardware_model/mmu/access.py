"""One memory access: first-level TLB, second-level TLB, page walk, fill.

A translation found in a TLB is used as it is, stale or not, without a reference to memory. If its
rights do not allow the access, or a store finds the dirty flag not known to be set, the entry is
dropped and the access counts as a miss. Hence no fault is ever due to a cached translation.

The executor calls `translate` when the engine's own TLB misses. That one must hold a subset of the
modelled first-level entries: what this unit drops from the first level is reported in the eviction
list, and OUT_PROT never allows a kind of access for which the page is not in the first-level array
concerned.
"""

from __future__ import annotations

import numpy as np

from hardware_model import counters as declared
from hardware_model.counters import CounterArray
from hardware_model.mmu.entries import Ram
from hardware_model.mmu.ept import EptViolation
from hardware_model.mmu.invalidation import drop_faulting
from hardware_model.mmu.nested import drop_nested
from hardware_model.mmu.rights import ALL_RIGHTS, Prot, key_prot, page_prot
from hardware_model.mmu.state import DESCRIPTOR_WORDS, Array, Kind, State, Status, Word
from hardware_model.mmu.structure_caches import drop_path
from hardware_model.mmu.tlb import (
    FRAME,
    GUEST_SIZE_SHIFT,
    LINEAR,
    NONE,
    ONE,
    SIZE_MASK,
    SIZE_SHIFT,
    VALID,
    claim,
    clear_outputs,
    current_tag,
    find_page,
    page_of,
    report_dropped,
    signed,
    size_shift,
)
from hardware_model.mmu.walker import walk
from hardware_model.native import inner, native

U = np.uint64
_DATA, _EXECUTE = U(Prot.READ | Prot.WRITE), U(Prot.EXECUTE)
_TRANSLATION = U(EptViolation.TRANSLATION)

_L1I_MISS = declared.index("tlb.l1i.miss")
_L1D_MISS = declared.index("tlb.l1d.miss")
_L2_HIT = declared.index("tlb.l2.hit")
_L2_MISS = declared.index("tlb.l2.miss")
_EVICTED = declared.index("tlb.evicted")


@inner
def _grant(mmu: State, slot: int, va: np.uint64, kind: int, user: bool, ac: bool) -> bool:
    """Publish the entry's translation if it allows the access."""
    entry = mmu[slot + 2]
    rights = page_prot(mmu, entry & ALL_RIGHTS, user, ac) & key_prot(mmu, entry, entry)
    if not rights >> U(kind) & ONE:
        return False
    shift = size_shift(mmu[slot] >> SIZE_SHIFT & SIZE_MASK)
    offset = va & ((ONE << shift) - ONE)
    mmu[Word.OUT_PA] = (mmu[slot + 2] & FRAME) | offset
    mmu[Word.OUT_GPA] = mmu[slot + 3] | offset
    mmu[Word.OUT_SHIFT] = shift
    mmu[Word.OUT_RIGHTS] = rights
    mmu[Word.OUT_PROT] = rights & (_EXECUTE if kind == Kind.FETCH else _DATA)
    return True


@inner
def _narrow_stage(mmu: State, va: np.uint64, code: np.uint64) -> None:
    """Replace the staged entry by the piece of it, of size `code`, that contains `va`."""
    inside = (ONE << size_shift(mmu[Word.STAGE] >> SIZE_SHIFT & SIZE_MASK)) - ONE
    piece = page_of(va & inside, code)
    mmu[Word.STAGE] = page_of(va & LINEAR, code) | (mmu[Word.STAGE] & U(0x33)) | code << SIZE_SHIFT
    mmu[Word.STAGE + 2] = mmu[Word.STAGE + 2] | piece
    mmu[Word.STAGE + 3] = mmu[Word.STAGE + 3] | piece


@inner
def _fill(mmu: State, counters: CounterArray, descriptor: int, code: np.uint64) -> int:
    """Swap the staged translation into its set; returns its word, and leaves the victim staged."""
    slot = claim(mmu, descriptor, mmu[Word.STAGE] & LINEAR, code)
    if mmu[slot] & VALID:
        counters[_EVICTED] += ONE
    for word in range(4):
        mmu[slot + word], mmu[Word.STAGE + word] = mmu[Word.STAGE + word], mmu[slot + word]
    return slot


@inner
def _fill_second_level(mmu: State, counters: CounterArray, array: int) -> None:
    code = mmu[Word.STAGE] >> SIZE_SHIFT & SIZE_MASK
    descriptor = Word.TLB_DESCRIPTORS + DESCRIPTOR_WORDS * (array + signed(code))
    if mmu[descriptor + 2] == NONE:
        return
    slot = _fill(mmu, counters, descriptor, code)
    for word in range(4):
        mmu[Word.STAGE + word] = mmu[slot + word]


@inner
def _fill_first_level(mmu: State, counters: CounterArray, array: int, va: np.uint64) -> int:
    code = mmu[Word.STAGE] >> SIZE_SHIFT & SIZE_MASK
    held = code
    while mmu[Word.TLB_DESCRIPTORS + DESCRIPTOR_WORDS * (array + signed(held)) + 2] == NONE:
        held -= ONE
    if held != code:
        _narrow_stage(mmu, va, held)
    if held != mmu[Word.STAGE] >> GUEST_SIZE_SHIFT & SIZE_MASK:
        mmu[Word.FRACTURED] = ONE
    slot = _fill(
        mmu, counters, Word.TLB_DESCRIPTORS + DESCRIPTOR_WORDS * (array + signed(held)), held
    )
    if mmu[Word.STAGE] & VALID:
        report_dropped(mmu, Word.STAGE)
    return slot


@native
def translate(
    ram: Ram, mmu: State, counters: CounterArray, va: np.uint64, kind: int, user: bool, ac: bool
) -> int:
    """Translate linear address `va` (canonical) for one access; returns a Status as an integer.

    `kind` is a Kind, `user` whether the access is a user-mode one, `ac` whether EFLAGS.AC lifts
    SMAP for it. OK sets OUT_PA, OUT_GPA, OUT_SHIFT, OUT_PROT and OUT_RIGHTS; PAGE_FAULT sets
    OUT_ERROR; the EPT statuses set OUT_GPA and OUT_QUALIFICATION. The eviction list is valid in
    every case.
    """
    clear_outputs(mmu)
    tag = current_tag(mmu)
    fetch = kind == Kind.FETCH
    first = Array.L1I if fetch else Array.L1D
    slot = find_page(mmu, first, va, tag)
    if slot >= 0:
        if _grant(mmu, slot, va, kind, user, ac):
            return Status.OK
        report_dropped(mmu, slot)
        mmu[slot] = NONE
    counters[_L1I_MISS if fetch else _L1D_MISS] += ONE
    second = Array.L2_FETCH if fetch else Array.L2_DATA
    slot = find_page(mmu, second, va, tag)
    if slot >= 0:
        if _grant(mmu, slot, va, kind, user, ac):
            counters[_L2_HIT] += ONE
            for word in range(4):
                mmu[Word.STAGE + word] = mmu[slot + word]
            _grant(mmu, _fill_first_level(mmu, counters, first, va), va, kind, user, ac)
            return Status.OK
        mmu[slot] = NONE
    counters[_L2_MISS] += ONE
    status = walk(ram, mmu, counters, va, kind, user, ac, tag)
    if status == Status.OK:
        _fill_second_level(mmu, counters, second)
        _grant(mmu, _fill_first_level(mmu, counters, first, va), va, kind, user, ac)
        return status
    _forget(mmu, va, tag, status)
    return status


@inner
def _forget(mmu: State, va: np.uint64, tag: np.uint64, status: int) -> None:
    """Drop what the fault or violation invalidates (SDM vol. 3A 4.10.4.1, vol. 3C 28.4.3.1)."""
    if status == Status.PAGE_FAULT:
        drop_faulting(mmu, va, tag)
        drop_path(mmu, va, tag)
    elif status == Status.EPT_VIOLATION:
        drop_nested(mmu, mmu[Word.OUT_GPA])
        if mmu[Word.OUT_QUALIFICATION] & _TRANSLATION:
            drop_faulting(mmu, va, tag)
