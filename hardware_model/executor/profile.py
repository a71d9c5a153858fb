"""Virtual time and the block profile: the hook that runs at the start of every block.

A block's instruction count is known to the engine (TranslationBlock.icount); the hook finds the
block through the engine's jump cache, adds the count to the clock and increments the block's slot.
A block that would pass the deadline, or that holds a region marker, is cut there: the engine is
asked for a block of exactly that many instructions, so events happen at the same retired
instruction under every technique.
"""

from __future__ import annotations

import numpy as np
from numba import types

from hardware_model.executor import layout as L
from hardware_model.executor import markers, nmi
from hardware_model.executor import words as W
from hardware_model.executor.blocks import (
    CPU_CACHE,
    cache_index,
    find_block,
    instruction_index,
    instruction_start,
    instructions_for,
)
from hardware_model.executor.corrections import rewind
from hardware_model.executor.intrinsics import (
    address_of,
    call_event,
    call_p,
    call_pipp,
    load16,
    load32,
    load64,
    store32,
    store64,
)
from hardware_model.executor.slots import (
    ATTENTION_INSIDE,
    ATTENTION_LIMITED,
    ATTENTION_MOV_SS,
    ATTENTION_REPEAT,
    ATTENTION_REPEAT_ECX,
    ATTENTION_RING0,
    ATTENTION_SHADOW,
    SLOT_ATTENTION,
    SLOT_FLAGS,
    SLOT_MARKER,
    new_slot,
)
from hardware_model.executor.state import U, set_word, word
from hardware_model.native import callback, inner


@inner
def leave_block(w, pc):
    """Return to the engine's main loop before the block at `pc` runs. Does not return to the caller."""
    store64(word(w, W.ENV) + U(L.ENV_EIP), pc)
    set_word(w, W.CURRENT_TB, U(0))
    call_p(word(w, W.F_LOOP_EXIT), word(w, W.CPU))


@inner
def cut_block(w, pc, instructions):
    """Make the engine execute exactly `instructions` instructions from `pc`. Does not return to the caller."""
    store32(word(w, W.CPU) + U(L.CPU_CFLAGS_NEXT_TB), instructions)
    set_word(w, W.LIMITED, U(1))
    leave_block(w, pc)


@inner
def request_interrupt(w):
    """Raise the engine's interrupt line; it is taken when RFLAGS.IF and the STI shadow allow."""
    at = word(w, W.CPU) + U(L.CPU_INTERRUPT_REQUEST)
    store32(at, load32(at) | U(L.INTERRUPT_HARD))


@inner
def requested(w):
    """Whether the engine is to take an interrupt, or open a window, when RFLAGS.IF and the shadows allow."""
    request = load32(word(w, W.CPU) + U(L.CPU_INTERRUPT_REQUEST))
    return (request & U(L.INTERRUPT_HARD | L.INTERRUPT_VIRQ)) != U(0)


@inner
def look_behind_shadow(w, n):
    """Have the engine look for interrupts behind a block of `n` units in the shadow of STI or MOV SS.

    It forgets to where the block ends with a return or an indirect jump.
    """
    if requested(w):
        set_word(w, W.DEADLINE, min(word(w, W.DEADLINE), word(w, W.CLOCK) + n))


@inner
def stop_engine(w):
    """Have the engine return. It would take a virtual interrupt or an NMI that can be taken first, for ever."""
    at = word(w, W.CPU) + U(L.CPU_INTERRUPT_REQUEST)
    store32(at, load32(at) & ~U(L.INTERRUPT_VIRQ | L.INTERRUPT_NMI))
    call_p(word(w, W.F_STOP), word(w, W.UC))


@inner
def intercept(w, pc, code):
    """Have the event layer handle `code` before the instruction at `pc`. Does not return to the caller."""
    store64(word(w, W.ENV) + U(L.ENV_EIP), pc)
    call_pipp(word(w, W.F_VMEXIT), word(w, W.ENV), code, U(0), U(0))


@inner
def due_event(w, pc):
    """Run platform events due at the current time; leave the block when one wants the processor's attention."""
    call_event(word(w, W.F_EVENT), U(W.Event.TICK))
    if word(w, W.STOP) != U(0):
        stop_engine(w)
        leave_block(w, pc)
    if nmi.wanted(w) and nmi.request(w):
        if not nmi.blocked(w):
            leave_block(w, pc)
        intercept(w, pc, U(W.Intercept.NMI))
    if word(w, W.IRQ_LINE) == U(0):
        if requested(w):
            leave_block(w, pc)
        return
    if word(w, W.OWN_INTERRUPTS) != U(0):
        request_interrupt(w)
        leave_block(w, pc)
    intercept(w, pc, U(W.Intercept.PHYSICAL_INTERRUPT))


@inner
def unexpected_cut(w, pc):
    """The engine re-executes one instruction of a block that modified itself: the rest of that block did not run."""
    tb = word(w, W.CURRENT_TB)
    if tb != U(0):
        index, _ = instruction_index(tb, pc)
        if index < np.int64(load16(tb + U(L.TB_ICOUNT))):
            rewind(w, pc)


@inner
def refuse_null_stack(w, pc):
    """A guest at CPL 1 has loaded a null selector into SS. Does not return to the caller.

    The engine takes it and thereby falls to CPL 0. The processor stays at CPL 1 if the selector's RPL is 1, and else
    raises #GP(0) at the load (SDM vol. 2B, MOV).
    """
    env = word(w, W.ENV)
    hflags = env + U(L.ENV_HFLAGS)
    store32(hflags, (load32(hflags) & ~U(L.HF_CPL)) | U(1))
    stack = env + U(L.ENV_SEGS) + U(L.SEGMENT_BYTES) * U(2)
    tb = word(w, W.CURRENT_TB)
    if load32(stack) != U(0) or tb == U(0):
        leave_block(w, pc)
    store32(hflags, load32(hflags) & ~U(L.HF_INHIBIT_IRQ))
    store64(env + U(L.ENV_EIP), instruction_start(tb, np.int64(load16(tb + U(L.TB_ICOUNT))) - 1))
    call_pipp(word(w, W.F_VMEXIT), env, U(W.Intercept.EXCEPTION + 13), U(0), U(0))


@inner
def attend(w, tb, slot, pc, n):
    """The rare cases at a block's start: cut blocks, markers, due events. Returns when the block may run whole."""
    attention = load64(slot + U(8 * SLOT_ATTENTION))
    if (attention & ATTENTION_RING0) != U(0):
        refuse_null_stack(w, pc)
    if (attention & ATTENTION_LIMITED) != U(0):
        if word(w, W.LIMITED) == U(0):
            unexpected_cut(w, pc)
    limited = word(w, W.LIMITED) != U(0)
    set_word(w, W.LIMITED, U(0))
    if limited and word(w, W.MARKER_CLOCK) == word(w, W.CLOCK):
        set_word(w, W.MARKER_CLOCK, U(W.NEVER))
        return  # the marker that was announced: it retires before any event
    if word(w, W.CLOCK) >= word(w, W.DEADLINE):
        due_event(w, pc)
        limited = False
    marker = load64(slot + U(8 * SLOT_MARKER))
    room = word(w, W.DEADLINE) - word(w, W.CLOCK)
    if marker == U(0) and not limited:
        markers.announce(w, markers.at(w, tb, pc))
        if load16(tb + U(L.TB_ICOUNT)) > U(1):
            set_word(w, W.MARKER_CLOCK, word(w, W.CLOCK))
            cut_block(w, pc, U(1))
        return
    if marker != markers.NONE and not limited:
        cut_block(w, pc, min(marker, instructions_for(w, tb, room)))
    inside = (attention & ATTENTION_INSIDE) != U(0)
    if n > room or (inside and n == room and n != U(0)):
        cut_block(w, pc, instructions_for(w, tb, room))
    if (attention & ATTENTION_SHADOW) != U(0):
        look_behind_shadow(w, n)
    if (attention & ATTENTION_MOV_SS) != U(0):
        set_word(w, W.MOV_SS_CLOCK, word(w, W.CLOCK) + n)


@inner
def give_up(w, pc, reason):
    """Stop the engine before the block at `pc`. Does not return to the caller."""
    set_word(w, W.STOP, U(reason))
    stop_engine(w)
    leave_block(w, pc)


@inner
def is_entered(tb, pc, size, hflags):
    """Whether `tb`, found in the jump cache, is the block being entered.

    Chained jumps go past that cache, so it may hold another ring's block of the same code.
    """
    other_ring = (load32(tb + U(L.TB_FLAGS)) ^ hflags) & U(L.HF_CPL)
    return load64(tb) == pc and load16(tb + U(L.TB_SIZE)) == size and other_ring == U(0)


@inner
def repeat_is_over(w, attention, pc):
    """The engine enters a repeated string instruction once more to find its count at 0: that is no iteration."""
    count = load64(word(w, W.ENV) + U(8))
    if (attention & ATTENTION_REPEAT_ECX) != U(0):
        count &= U(0xFFFFFFFF)
    tb = word(w, W.CURRENT_TB)
    if count != U(0) or tb == U(0):
        return False
    return instruction_start(tb, np.int64(load16(tb + U(L.TB_ICOUNT))) - 1) == pc


@inner
def enter_block(w, pc, size):
    cpu = word(w, W.CPU)
    tb = load64(cpu + CPU_CACHE + U(8) * cache_index(pc))
    if tb == U(0) or not is_entered(tb, pc, size, load32(cpu + U(L.ENV + L.ENV_HFLAGS))):
        tb = find_block(w, pc, size)
        if tb == U(0):
            give_up(w, pc, W.Stop.BLOCK_LOST)
    slot = load64(tb + U(L.TB_ORIGINAL))
    if slot == U(0):
        slot = new_slot(w, tb)
        if slot == U(0):
            give_up(w, pc, W.Stop.PROFILE_FULL)
    n = load32(slot + U(8 * SLOT_FLAGS + 4))
    clock = word(w, W.CLOCK) + n
    attention = load64(slot + U(8 * SLOT_ATTENTION))
    if clock > word(w, W.DEADLINE) or attention != U(0):
        if (attention & (ATTENTION_REPEAT | ATTENTION_REPEAT_ECX)) != U(0) and repeat_is_over(
            w, attention, pc
        ):
            set_word(w, W.CURRENT_TB, U(0))
            return
        attend(w, tb, slot, pc, n)
        clock = word(w, W.CLOCK) + n
    store64(slot, load64(slot) + U(1))
    set_word(w, W.CLOCK, clock)
    set_word(w, W.CURRENT_TB, tb)


@callback(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr))
def on_block(uc, pc, size, user_data):
    enter_block(address_of(user_data), pc, U(size))
