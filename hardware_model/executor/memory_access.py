"""The engine's TLB-miss path: every miss of its software TLB goes through the modelled MMU.

The engine's TLB stays a subset of the modelled first-level TLBs (entries evicted there are flushed
here), so a modelled miss always comes by and hits cost nothing.

Self-modifying code: the engine watches stores only through entries that are not "fast". A frame
that was ever fetched from therefore never gets a fast store entry: stores to it are mapped for one
access at a time, whatever address they come through.
"""

from __future__ import annotations

import numpy as np
from numba import types

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.faults import back_to_branch, canonical
from hardware_model.executor.intrinsics import (
    call_event,
    call_p,
    call_piip,
    call_pipp,
    call_pp,
    call_ppiip_p,
    load8,
    load64,
    store8,
    store64,
    view_of,
)
from hardware_model.executor.profile import cut_block
from hardware_model.executor.state import U, set_word, word
from hardware_model.mmu import access
from hardware_model.mmu.state import Status
from hardware_model.mmu.state import Word as M
from hardware_model.native import callback, inner

FETCH = 2
STORE = 1
USER_INDEX = 1
UNRESTRICTED_INDEX = 2  # supervisor access with SMAP off or AC set
PAGE = U(0xFFFFFFFFFFFFF000)
WHOLE_PAGE = U(4096)
ONE_ACCESS = U(1)
FEW = 6  # pages that are flushed faster one by one than all at once


mmu_state = view_of(W.MMU, W.MMU_WORDS, 0)
ram_words = view_of(W.RAM, W.RAM_BYTES, 3)
counter_words = view_of(W.COUNTERS, W.COUNTER_COUNT, 0)


@inner
def load_registers(w, mmu):
    """Give the MMU the paging registers of the CPU state."""
    env = word(w, W.ENV)
    mmu[M.CR0] = load64(env + U(L.ENV_CR))
    mmu[M.CR3] = load64(env + U(L.ENV_CR + 24))
    mmu[M.CR4] = load64(env + U(L.ENV_CR + 32))
    mmu[M.EFER] = load64(env + U(L.ENV_EFER))


@inner
def flush_all(w):
    """Empty the engine's TLB."""
    set_word(w, W.PIECES, U(0))
    call_p(word(w, W.F_TLB_FLUSH), word(w, W.CPU))


@inner
def flush_page(w, page):
    call_pp(word(w, W.F_TLB_FLUSH_PAGE), word(w, W.CPU), page)


@inner
def note_piece(w, page):
    """The engine is about to hold a 4 KiB piece of a large page, to be found when that is dropped."""
    count = word(w, W.PIECES)
    for i in range(min(count, U(W.PIECES_KEPT))):
        if load64(w + U(8) * (U(W.FIRST_PIECE) + U(i))) == page:
            return
    if count < U(W.PIECES_KEPT):
        store64(w + U(8) * (U(W.FIRST_PIECE) + count), page)
    if count <= U(W.PIECES_KEPT):
        set_word(w, W.PIECES, count + U(1))


@inner
def flush_pieces(w, page, shift):
    """Flush a large page; pieces that the engine may have dropped itself are flushed again."""
    count = word(w, W.PIECES)
    if count > U(W.PIECES_KEPT):
        flush_all(w)
        return
    left = U(0)
    for i in range(count):
        piece = load64(w + U(8) * (U(W.FIRST_PIECE) + U(i)))
        if ((piece ^ page) >> shift) == U(0):
            flush_page(w, piece)
        else:
            store64(w + U(8) * (U(W.FIRST_PIECE) + left), piece)
            left += U(1)
    set_word(w, W.PIECES, left)


@inner
def flush_evicted(w, mmu):
    """Flush from the engine's TLB what the modelled first-level TLBs dropped."""
    n = np.int64(mmu[M.OUT_EVICT_COUNT])
    every = mmu[M.OUT_FLUSH_ALL] != U(0) or n > FEW
    mmu[M.OUT_FLUSH_ALL] = U(0)
    mmu[M.OUT_EVICT_COUNT] = U(0)
    if every:
        flush_all(w)
        return
    for i in range(n):
        page, shift = mmu[M.OUT_EVICT + 2 * i], mmu[M.OUT_EVICT + 2 * i + 1]
        if shift > U(12):
            flush_pieces(w, page, shift)
        else:
            flush_page(w, page)


@inner
def install(w, mmu, va, kind, index):
    """Put the translation into the engine's TLB with just the rights that keep the models exact."""
    physical = mmu[M.OUT_PA]
    fetched = word(w, W.FETCHED) + (physical >> U(12))
    rights = mmu[M.OUT_PROT] & U(3)
    size = WHOLE_PAGE
    if kind == FETCH:
        if load8(fetched) == U(0):
            store8(fetched, U(1))
            flush_all(w)
        rights = U(4)
    elif (rights & U(2)) != U(0) and load8(fetched) != U(0):
        if kind == STORE:
            size = ONE_ACCESS
        else:
            rights = U(1)
    if mmu[M.OUT_SHIFT] > U(12):
        note_piece(w, va & PAGE)
    call_ppiip_p(
        word(w, W.F_TLB_SET_PAGE),
        word(w, W.CPU),
        va & PAGE,
        physical & PAGE,
        rights,
        U(index),
        size,
    )


@inner
def exit_from_access(w, mmu, code, va, kind, ra):
    """Leave the access for the event layer: EPT violation, EPT misconfiguration or device register."""
    set_word(w, W.EVENT_LINEAR, va)
    set_word(
        w,
        W.EVENT_PHYSICAL,
        mmu[M.OUT_GPA] if code < U(W.Intercept.DEVICE_ACCESS) else mmu[M.OUT_PA],
    )
    set_word(w, W.EVENT_QUALIFICATION, mmu[M.OUT_QUALIFICATION])
    set_word(w, W.EVENT_WRITE, U(kind))
    if kind == FETCH and ra == U(0):
        set_word(w, W.CURRENT_TB, U(0))
    call_pipp(word(w, W.F_VMEXIT), word(w, W.ENV), code, U(0), ra)


@inner
def not_canonical(w, kind, ra):
    """#GP(0), or #SS(0) once the instruction at hand is known. Does not return to the caller."""
    if kind == FETCH and ra == U(0):
        back_to_branch(w)
        set_word(w, W.CURRENT_TB, U(0))
    else:
        set_word(w, W.NOT_CANONICAL, U(1))
    call_piip(word(w, W.F_RAISE_EXCEPTION), word(w, W.ENV), U(13), U(0), ra)


@inner
def fetch_ahead(w, va):
    """The engine translates code up to a branch; where that runs into a page that cannot be fetched
    from, the block ends
    before it, so that what comes first executes and the fault is that of the instruction concerned."""
    pc = load64(word(w, W.ENV) + U(L.ENV_EIP))
    if ((pc ^ va) & PAGE) == U(0):
        return
    set_word(w, W.EVENT_LINEAR, va)
    instructions = call_event(word(w, W.F_EVENT), U(W.Event.FETCH_AHEAD))
    if instructions != U(0):
        cut_block(w, pc, instructions)


@inner
def miss(cpu, va, kind, index, probe, ra):
    w = load64(cpu + U(L.CPU_STATE_WORDS))
    if word(w, W.MODE) == U(W.Mode.POWER_ON):
        call_ppiip_p(
            word(w, W.F_TLB_SET_PAGE), cpu, va & PAGE, va & PAGE, U(7), U(index), WHOLE_PAGE
        )
        return True
    if not canonical(va):
        if not probe:
            not_canonical(w, kind, ra)
        return False
    mmu = mmu_state(w)
    load_registers(w, mmu)
    if kind == FETCH and ra == U(0):
        fetch_ahead(w, va)
    user = index == USER_INDEX
    status = access.translate(
        ram_words(w), mmu, counter_words(w), va, kind, user, index == UNRESTRICTED_INDEX
    )
    flush_evicted(w, mmu)
    if status == Status.OK:
        if word(w, W.APIC_ACCESS_PAGE) == (mmu[M.OUT_PA] & PAGE) | U(1):
            if not probe:
                exit_from_access(w, mmu, U(W.Intercept.APIC_ACCESS), va, kind, ra)
            return False
        if mmu[M.OUT_PA] < word(w, W.RAM_BYTES):
            install(w, mmu, va, kind, index)
            return True
        if not probe:
            exit_from_access(w, mmu, U(W.Intercept.DEVICE_ACCESS), va, kind, ra)
    if probe:
        return False
    if status == Status.PAGE_FAULT:
        set_word(w, W.FAULT_ADDRESS, va)
        if kind == FETCH and ra == U(0):
            set_word(w, W.CURRENT_TB, U(0))
        call_piip(word(w, W.F_RAISE_EXCEPTION), word(w, W.ENV), U(14), mmu[M.OUT_ERROR], ra)
    code = (
        U(W.Intercept.EPT_VIOLATION)
        if status == Status.EPT_VIOLATION
        else U(W.Intercept.EPT_MISCONFIGURATION)
    )
    exit_from_access(w, mmu, code, va, kind, ra)
    return False


@callback(
    types.boolean(
        types.uint64,
        types.uint64,
        types.int32,
        types.int32,
        types.int32,
        types.boolean,
        types.uint64,
    )
)
def on_tlb_miss(cpu, va, size, kind, index, probe, ra):
    return miss(cpu, va, kind, index, probe, ra)
