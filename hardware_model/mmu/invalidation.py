"""Invalidation of cached translations (Intel SDM vol. 3A section 4.10.4, vol. 3C section 28.4.3).

Instructions that invalidate regardless of VMX operation act on the current VPID and on every EPT
root. Each operation invalidates what the manual requires and no more. What the engine must drop is
in the eviction list or in OUT_FLUSH_ALL.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from hardware_model import counters as declared
from hardware_model.counters import CounterArray
from hardware_model.mmu.paging import CR3_KEEP, Cr4
from hardware_model.mmu.state import DESCRIPTOR_WORDS, ENTRY_WORDS, State, Word
from hardware_model.mmu.tlb import (
    GLOBAL,
    GUEST_SIZE_SHIFT,
    LINEAR,
    NONE,
    ONE,
    PCID_MASK,
    ROOT_MASK,
    SIZE_MASK,
    VALID,
    VPID_MASK,
    clear_outputs,
    current_tag,
    first_way,
    report_dropped,
    signed,
    size_shift,
)
from hardware_model.native import inner, native


class InvpcidType(IntEnum):
    """Types of INVPCID (SDM vol. 2A)."""

    ADDRESS = 0
    SINGLE_CONTEXT = 1
    ALL = 2
    ALL_RETAINING_GLOBALS = 3


class InvvpidType(IntEnum):
    """Types of INVVPID (SDM vol. 3C section 30.3)."""

    ADDRESS = 0
    SINGLE_CONTEXT = 1
    ALL = 2
    SINGLE_CONTEXT_RETAINING_GLOBALS = 3


class InveptType(IntEnum):
    """Types of INVEPT (SDM vol. 3C section 30.3)."""

    SINGLE_CONTEXT = 1
    ALL = 2


U = np.uint64
_CURRENT = PCID_MASK | VPID_MASK
_FIRST, _SECOND, _STRUCTURE, _NESTED = range(4)  # regions of entries, as they lie
_ALL_BITS = U(0xFFFF_FFFF_FFFF_FFFF)
_KEEP, _PCIDE = U(CR3_KEEP), U(Cr4.PCIDE)
_TWELVE, _SIXTEEN = U(12), U(16)

_FLUSH_ALL = declared.index("tlb.flush.all")
_FLUSH_NONGLOBAL = declared.index("tlb.flush.nonglobal")
_FLUSH_PAGE = declared.index("tlb.flush.page")


@inner
def _drop_if(
    mmu: State, slot: int, va: np.uint64, tag: np.uint64, mask: np.uint64, globals_too: bool
) -> None:
    """Drop an entry of the guest page that contains `va`, if its tag is `tag` in the bits `mask`.

    `globals_too`: global entries match whatever their PCID; otherwise they never do.
    """
    entry = mmu[slot]
    if not entry & VALID or (entry ^ va) & LINEAR & _page_bits(entry):
        return
    if entry & GLOBAL:
        if not globals_too:
            return
        mask = mask & ~PCID_MASK
    if (mmu[slot + 1] ^ tag) & mask:
        return
    if U(slot) < mmu[Word.SECOND_LEVEL]:
        report_dropped(mmu, slot)
    mmu[slot] = NONE


@inner
def _page_bits(entry: np.uint64) -> np.uint64:
    shift = size_shift(entry >> GUEST_SIZE_SHIFT & SIZE_MASK)
    return _ALL_BITS >> shift << shift


@inner
def _drop_page(
    mmu: State, va: np.uint64, tag: np.uint64, mask: np.uint64, globals_too: bool
) -> None:
    """Drop the page of `va` from both levels, with all its pieces if there may be pieces."""
    if mmu[Word.FRACTURED]:
        for slot in range(signed(mmu[Word.FIRST_LEVEL]), signed(mmu[Word.STRUCTURE]), ENTRY_WORDS):
            _drop_if(mmu, slot, va, tag, mask, globals_too)
        return
    for index in range(12):
        descriptor = Word.TLB_DESCRIPTORS + DESCRIPTOR_WORDS * index
        slot = first_way(mmu, descriptor, va & LINEAR, U(index % 3))
        for _ in range(signed(mmu[descriptor + 2])):
            _drop_if(mmu, slot, va, tag, mask, globals_too)
            slot += ENTRY_WORDS


@inner
def drop_faulting(mmu: State, va: np.uint64, tag: np.uint64) -> None:
    """Drop the translations of `va` with the current tag, as a fault does."""
    _drop_page(mmu, va, tag, _ALL_BITS, True)


@inner
def _drop_region(
    mmu: State,
    region: int,
    tag: np.uint64,
    mask: np.uint64,
    others: bool,
    keep_globals: bool,
) -> None:
    """Drop entries whose tag is (with `others`: is not) `tag` in `mask`.

    Only groups of entries that may hold one are looked at.
    """
    shift = mmu[Word.GROUP_SHIFT + region]
    first, end = mmu[Word.FIRST_LEVEL + region], mmu[Word.FIRST_LEVEL + region + 1]
    occupied = mmu[Word.OCCUPIED + region]
    left, bit, begin = occupied, ONE, first
    while left != NONE:
        if left & ONE:
            done = min(begin + (ONE << shift), end)
            if not _drop_group(mmu, begin, done, tag, mask, others, keep_globals):
                occupied &= ~bit
        left >>= ONE
        bit <<= ONE
        begin += ONE << shift
    mmu[Word.OCCUPIED + region] = occupied


@inner
def _drop_group(
    mmu: State,
    begin: np.uint64,
    end: np.uint64,
    tag: np.uint64,
    mask: np.uint64,
    others: bool,
    keep_globals: bool,
) -> bool:
    """The same for the entries from word `begin` to `end`; whether any stay."""
    held = False
    first_level = begin < mmu[Word.SECOND_LEVEL]
    for slot in range(signed(begin), signed(end), ENTRY_WORDS):
        entry = mmu[slot]
        if not entry & VALID:
            continue
        kept = keep_globals and entry & GLOBAL != NONE
        if not kept and ((mmu[slot + 1] ^ tag) & mask == NONE) != others:
            if first_level:
                report_dropped(mmu, slot)
            mmu[slot] = NONE
        else:
            held = True
    return held


@inner
def _drop_context(
    mmu: State, tag: np.uint64, mask: np.uint64, others: bool, keep_globals: bool
) -> None:
    _drop_region(mmu, _FIRST, tag, mask, others, keep_globals)
    _drop_region(mmu, _SECOND, tag, mask, others, keep_globals)
    _drop_region(mmu, _STRUCTURE, tag, mask, others, False)


@inner
def _vpid_tag(vpid: np.uint64) -> np.uint64:
    return vpid << _TWELVE & VPID_MASK


@native
def invlpg(mmu: State, counters: CounterArray, va: np.uint64) -> None:
    """INVLPG: the page of `va`, global or not, and the current PCID's paging-structure caches."""
    clear_outputs(mmu)
    counters[_FLUSH_PAGE] += ONE
    tag = current_tag(mmu)
    _drop_page(mmu, va, tag, _CURRENT, True)
    _drop_region(mmu, _STRUCTURE, tag, _CURRENT, False, False)


@native
def write_cr3(mmu: State, counters: CounterArray, value: np.uint64) -> None:
    """MOV to CR3: drop the new PCID's non-global translations, unless bit 63 keeps them.

    Sets Word.CR3 too. The engine's TLB has no PCIDs, so with them all of it is to be flushed.
    """
    clear_outputs(mmu)
    tagged = mmu[Word.CR4] & _PCIDE != NONE
    keep = tagged and value & _KEEP != NONE
    mmu[Word.CR3] = value & ~_KEEP
    if not keep:
        counters[_FLUSH_NONGLOBAL] += ONE
        _drop_context(mmu, current_tag(mmu), _CURRENT, False, True)
    if tagged:
        mmu[Word.OUT_FLUSH_ALL] = ONE


@native
def flush_vpid(mmu: State, counters: CounterArray, vpid: np.uint64) -> None:
    """Everything of `vpid`, global translations included.

    MOV to CR4 that changes PGE or PCIDE, MOV to CR0 that clears PG, and with `vpid` 0 a VM
    transition without VPIDs.
    """
    clear_outputs(mmu)
    counters[_FLUSH_ALL] += ONE
    _drop_context(mmu, _vpid_tag(vpid), VPID_MASK, False, False)


@native
def flush_everything(mmu: State, counters: CounterArray) -> None:
    """Every entry of every cache, the nested TLB included."""
    clear_outputs(mmu)
    counters[_FLUSH_ALL] += ONE
    _drop_context(mmu, NONE, NONE, False, False)
    _drop_region(mmu, _NESTED, NONE, NONE, False, False)
    mmu[Word.FRACTURED] = NONE
    mmu[Word.OUT_FLUSH_ALL] = ONE


@native
def invpcid(mmu: State, counters: CounterArray, kind: int, pcid: np.uint64, va: np.uint64) -> None:
    """INVPCID of an InvpcidType, in the current VPID; operands were checked by the caller."""
    clear_outputs(mmu)
    tag = (current_tag(mmu) & ~PCID_MASK) | (pcid & PCID_MASK)
    if kind == InvpcidType.ADDRESS:
        counters[_FLUSH_PAGE] += ONE
        _drop_page(mmu, va, tag, _CURRENT, False)
        _drop_region(mmu, _STRUCTURE, tag, _CURRENT, False, False)
    elif kind == InvpcidType.SINGLE_CONTEXT:
        counters[_FLUSH_NONGLOBAL] += ONE
        _drop_context(mmu, tag, _CURRENT, False, True)
    elif kind == InvpcidType.ALL:
        counters[_FLUSH_ALL] += ONE
        _drop_context(mmu, tag, VPID_MASK, False, False)
    else:
        counters[_FLUSH_NONGLOBAL] += ONE
        _drop_context(mmu, tag, VPID_MASK, False, True)


@native
def invvpid(mmu: State, counters: CounterArray, kind: int, vpid: np.uint64, va: np.uint64) -> None:
    """INVVPID of an InvvpidType; operands were checked by the caller; ALL spares VPID 0."""
    clear_outputs(mmu)
    tag = _vpid_tag(vpid)
    if kind == InvvpidType.ADDRESS:
        counters[_FLUSH_PAGE] += ONE
        _drop_page(mmu, va, tag, VPID_MASK, True)
        _drop_region(mmu, _STRUCTURE, tag, VPID_MASK, False, False)
    elif kind == InvvpidType.SINGLE_CONTEXT:
        counters[_FLUSH_ALL] += ONE
        _drop_context(mmu, tag, VPID_MASK, False, False)
    elif kind == InvvpidType.ALL:
        counters[_FLUSH_ALL] += ONE
        _drop_context(mmu, NONE, VPID_MASK, True, False)
    else:
        counters[_FLUSH_NONGLOBAL] += ONE
        _drop_context(mmu, tag, VPID_MASK, False, True)


@native
def invept(mmu: State, counters: CounterArray, kind: int, eptp: np.uint64) -> None:
    """INVEPT of an InveptType: combined and guest-physical mappings of one EPT root, or of all."""
    clear_outputs(mmu)
    counters[_FLUSH_ALL] += ONE
    every = kind == InveptType.ALL
    tag = NONE if every else (eptp & LINEAR) << _SIXTEEN
    _drop_context(mmu, tag, ROOT_MASK, every, False)
    _drop_region(mmu, _NESTED, tag, ROOT_MASK, every, False)
