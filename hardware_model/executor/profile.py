"""Virtual time and the block profile: the hook that runs at the start of every block.

A block's instruction count is known to the engine (TranslationBlock.icount); the hook finds the block through the engine's jump
cache, adds the count to the clock and increments the block's slot. A block that would pass the deadline, or that holds a
region marker, is cut there: the engine is asked for a block of exactly that many instructions, so events happen at the same
retired instruction under every technique.

Slot (8 words): executions, first instruction's linear address, machine address, size | icount << 16 | cflags << 32,
attention flags, offset of the code's copy, index of the first marker, block flags.
"""

from __future__ import annotations

import numpy as np
from numba import types

from hardware_model.native import callback, inner

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import (
    address_of,
    call_event,
    call_lookup,
    call_p,
    call_pipp,
    load8,
    load16,
    load32,
    load64,
    store8,
    store32,
    store64,
)

U = np.uint64
SLOT_WORDS = 8
SLOT_BYTES = U(64)
(SLOT_RUNS, SLOT_PC, SLOT_MACHINE, SLOT_SHAPE, SLOT_ATTENTION, SLOT_CODE, SLOT_MARKER, SLOT_FLAGS) = range(8)
ATTENTION_LIMITED = U(1)
ATTENTION_MARKER = U(2)
ABORT_ENTRIES = 1 << 16  # pairs of words: key (slot index << 10 | first instruction not retired) + 1, times
NO_MARKER = U(0xFFFF)
MARKER_OPCODE = U(0x00841F0F)  # nop dword ptr [rax+rax+disp32]
MARKER_TAG = U(0x7B900000)

CPU_CACHE = U(L.CPU_TB_JMP_CACHE)
PAGE_MASK = U(0xFFF)


@inner
def word(w: int, name: int) -> int:
    return load64(w + U(8 * name))


@inner
def set_word(w: int, name: int, value: int) -> None:
    store64(w + U(8 * name), U(value))


@inner
def count(w: int, counter: int, amount: int) -> None:
    at = word(w, W.COUNTERS) + U(8 * counter)
    store64(at, load64(at) + U(amount))


@inner
def read_sleb(at):
    """One signed LEB128 number at host address `at`: (value, next address)."""
    value = np.int64(0)
    shift = np.int64(0)
    while True:
        byte = np.int64(load8(at))
        at += U(1)
        value |= (byte & np.int64(0x7F)) << shift
        shift += np.int64(7)
        if (byte & np.int64(0x80)) == np.int64(0):
            break
    if (byte & np.int64(0x40)) != np.int64(0):
        value |= np.int64(-1) << shift
    return value, at


@inner
def instruction_index(tb, pc):
    """(index, start of the following instruction) of the instruction of block `tb` at `pc`; index = icount if none.

    Reads the engine's own table of instruction starts, kept behind the block's code.
    """
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    at = load64(tb + U(L.TB_CODE)) + load64(tb + U(L.TB_CODE_SIZE))
    start = load64(tb)
    end = start + load16(tb + U(L.TB_SIZE))
    found = n
    for i in range(n):
        delta, at = read_sleb(at)
        start = U(np.int64(start) + delta)
        if found < n:
            return found, start
        _, at = read_sleb(at)
        _, at = read_sleb(at)
        if start == pc:
            found = np.int64(i)
    return found, end


@inner
def instruction_start(tb, index):
    """Linear address of instruction `index` of block `tb`."""
    at = load64(tb + U(L.TB_CODE)) + load64(tb + U(L.TB_CODE_SIZE))
    start = load64(tb)
    for _ in range(index + np.int64(1)):
        delta, at = read_sleb(at)
        start = U(np.int64(start) + delta)
        _, at = read_sleb(at)
        _, at = read_sleb(at)
    return start


@inner
def code_address(w, tb, pc):
    """Host address of the code byte at linear address `pc` of block `tb`."""
    page = tb + U(L.TB_PAGE_ADDRESS)
    if (pc & ~PAGE_MASK) != (load64(tb) & ~PAGE_MASK):
        page += U(8)
    return word(w, W.RAM) + (load64(page) & ~PAGE_MASK) + (pc & PAGE_MASK)


@inner
def find_marker(w, tb):
    """Index of the first region marker among the instructions of block `tb`, NO_MARKER if there is none."""
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    at = load64(tb + U(L.TB_CODE)) + load64(tb + U(L.TB_CODE_SIZE))
    start = load64(tb)
    last = load64(tb) + load16(tb + U(L.TB_SIZE))
    for i in range(n):
        delta, at = read_sleb(at)
        start = U(np.int64(start) + delta)
        if start + U(8) <= last and marker_at(w, tb, start) != U(0):
            return U(i)
        _, at = read_sleb(at)
        _, at = read_sleb(at)
    return NO_MARKER


@inner
def marker_at(w, tb, pc):
    """The immediate of the region marker at `pc` of block `tb`, 0 if another instruction stands there."""
    opcode = U(0)
    immediate = U(0)
    for i in range(4):
        opcode |= load8(code_address(w, tb, pc + U(i))) << U(8 * i)
    if opcode != MARKER_OPCODE:
        return U(0)
    for i in range(4):
        immediate |= load8(code_address(w, tb, pc + U(4 + i))) << U(8 * i)
    return immediate if (immediate & U(0xFFFFF000)) == MARKER_TAG else U(0)


@inner
def new_slot(w, tb):
    """Give block `tb` a profile slot with a copy of its code; returns the slot's address (0: storage is full)."""
    used = word(w, W.SLOT_COUNT)
    size = load16(tb + U(L.TB_SIZE))
    code = word(w, W.CODE_BYTES_USED)
    if used >= word(w, W.SLOT_LIMIT) or code + size > word(w, W.CODE_BYTES_LIMIT):
        return U(0)
    slot = word(w, W.SLOTS) + used * SLOT_BYTES
    set_word(w, W.SLOT_COUNT, used + U(1))
    pc = load64(tb)
    for i in range(np.int64(size)):
        store8(word(w, W.CODE_BYTES) + code + U(i), load8(code_address(w, tb, pc + U(i))))
    set_word(w, W.CODE_BYTES_USED, code + size)
    cflags = load32(tb + U(L.TB_CFLAGS))
    icount = load16(tb + U(L.TB_ICOUNT))
    marker = find_marker(w, tb)
    attention = U(0)
    if (cflags & U(L.CFLAGS_COUNT)) != U(0):
        attention |= ATTENTION_LIMITED
    if marker != NO_MARKER:
        attention |= ATTENTION_MARKER
    store64(slot, U(0))
    store64(slot + U(8 * SLOT_PC), pc)
    store64(slot + U(8 * SLOT_MACHINE), (load64(tb + U(L.TB_PAGE_ADDRESS)) & ~PAGE_MASK) | (pc & PAGE_MASK))
    store64(slot + U(8 * SLOT_SHAPE), size | (icount << U(16)) | (cflags << U(32)))
    store64(slot + U(8 * SLOT_ATTENTION), attention)
    store64(slot + U(8 * SLOT_CODE), code)
    store64(slot + U(8 * SLOT_MARKER), marker)
    store64(slot + U(8 * SLOT_FLAGS), load32(tb + U(L.TB_FLAGS)))
    store64(tb + U(L.TB_ORIGINAL), slot)
    return slot


@inner
def find_block(w, pc, size):
    """The block being entered at `pc`, from the engine's hash table; it is put into the jump cache for the next time."""
    cpu = word(w, W.CPU)
    env = word(w, W.ENV)
    flags = load32(env + U(L.ENV_HFLAGS)) | (load64(env + U(L.ENV_EFLAGS)) & U(L.TB_EFLAGS_MASK))
    mask = load32(cpu + U(0x8194)) << U(24)
    tb = call_lookup(word(w, W.F_TB_LOOKUP), cpu, pc, U(0), flags, mask)
    if tb != U(0) and load16(tb + U(L.TB_SIZE)) == size:
        store64(cpu + CPU_CACHE + U(8) * cache_index(pc), tb)
        return tb
    return U(0)


@inner
def cache_index(pc):
    t = (pc >> U(6)) ^ pc
    return (t & U(0x3F)) | ((t >> U(6)) & U(0xFC0))


@inner
def record_abort(w, slot, index):
    """Note that the block of `slot` was left before instruction `index` retired."""
    number = (slot - word(w, W.SLOTS)) // SLOT_BYTES
    key = ((number << U(10)) | U(index)) + U(1)
    table = word(w, W.ABORTS)
    i = (key * U(0x9E3779B97F4A7C15)) >> U(48)
    while True:
        at = table + i * U(16)
        seen = load64(at)
        if seen == key or seen == U(0):
            store64(at, key)
            store64(at + U(8), load64(at + U(8)) + U(1))
            return
        i = (i + U(1)) & U(ABORT_ENTRIES - 1)


@inner
def rewind(w, pc):
    """Take back what the clock was given for the part of the current block from `pc` on.

    Leaves RETIRE_INDEX, INSTRUCTION_PC and INSTRUCTION_LENGTH for the event at `pc`. A block that completed is left alone.
    """
    tb = word(w, W.CURRENT_TB)
    set_word(w, W.CURRENT_TB, U(0))
    if tb == U(0):
        set_word(w, W.INSTRUCTION_PC, pc)
        set_word(w, W.INSTRUCTION_LENGTH, U(0))
        return
    set_word(w, W.LAST_TB, tb)
    index, following = instruction_index(tb, pc)
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    set_word(w, W.INSTRUCTION_PC, pc)
    set_word(w, W.INSTRUCTION_LENGTH, following - pc if index < n else U(0))
    set_word(w, W.RETIRE_INDEX, U(index))
    if index < n:
        set_word(w, W.CLOCK, word(w, W.CLOCK) - U(n - index))
        record_abort(w, load64(tb + U(L.TB_ORIGINAL)), index)


@inner
def now(w):
    """Virtual time at the instruction being executed, when its RIP is precise in the CPU state."""
    clock = word(w, W.CLOCK)
    tb = word(w, W.CURRENT_TB)
    if tb == U(0):
        return clock
    index, _ = instruction_index(tb, load64(word(w, W.ENV) + U(L.ENV_EIP)))
    return clock - U(np.int64(load16(tb + U(L.TB_ICOUNT))) - index)


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
def due_event(w, pc):
    """Run platform events due at the current time; leave the block when one wants the processor's attention."""
    call_event(word(w, W.F_EVENT), U(W.Event.TICK))
    if word(w, W.STOP) != U(0):
        call_p(word(w, W.F_STOP), word(w, W.UC))
        leave_block(w, pc)
    if word(w, W.IRQ_LINE) == U(0):
        return
    if word(w, W.MODE) == U(W.Mode.BARE):
        request_interrupt(w)
        leave_block(w, pc)
    store64(word(w, W.ENV) + U(L.ENV_EIP), pc)
    call_pipp(word(w, W.F_VMEXIT), word(w, W.ENV), U(W.Intercept.PHYSICAL_INTERRUPT), U(0), U(0))


@inner
def unexpected_cut(w, pc):
    """The engine re-executes one instruction of a block that modified itself: the rest of that block did not run."""
    tb = word(w, W.CURRENT_TB)
    if tb != U(0):
        index, _ = instruction_index(tb, pc)
        if index < np.int64(load16(tb + U(L.TB_ICOUNT))):
            rewind(w, pc)


@inner
def attend(w, tb, slot, pc, n):
    """The rare cases at a block's start: cut blocks, markers, due events. Returns when the block may run whole."""
    if (load64(slot + U(8 * SLOT_ATTENTION)) & ATTENTION_LIMITED) != U(0):
        if word(w, W.LIMITED) == U(0):
            unexpected_cut(w, pc)
    limited = word(w, W.LIMITED) != U(0)
    set_word(w, W.LIMITED, U(0))
    if word(w, W.CLOCK) >= word(w, W.DEADLINE):
        due_event(w, pc)
        limited = False
    marker = load64(slot + U(8 * SLOT_MARKER))
    room = word(w, W.DEADLINE) - word(w, W.CLOCK)
    if marker == U(0) and not limited:
        set_word(w, W.MARKER, marker_at(w, tb, pc))
        set_word(w, W.CURRENT_TB, U(0))
        call_event(word(w, W.F_EVENT), U(W.Event.MARKER))
        if n > U(1):
            cut_block(w, pc, U(1))
    elif marker != NO_MARKER and not limited:
        cut_block(w, pc, min(marker, room))
    if n > room:
        cut_block(w, pc, room)


@inner
def give_up(w, pc, reason):
    """Stop the engine before the block at `pc`. Does not return to the caller."""
    set_word(w, W.STOP, U(reason))
    call_p(word(w, W.F_STOP), word(w, W.UC))
    leave_block(w, pc)


@inner
def enter_block(w, pc, size):
    cpu = word(w, W.CPU)
    tb = load64(cpu + CPU_CACHE + U(8) * cache_index(pc))
    if tb == U(0) or load64(tb) != pc or load16(tb + U(L.TB_SIZE)) != size:
        tb = find_block(w, pc, size)
        if tb == U(0):
            give_up(w, pc, W.Stop.BLOCK_LOST)
    slot = load64(tb + U(L.TB_ORIGINAL))
    if slot == U(0):
        slot = new_slot(w, tb)
        if slot == U(0):
            give_up(w, pc, W.Stop.PROFILE_FULL)
    n = load16(tb + U(L.TB_ICOUNT))
    clock = word(w, W.CLOCK) + n
    if clock > word(w, W.DEADLINE) or load64(slot + U(8 * SLOT_ATTENTION)) != U(0):
        attend(w, tb, slot, pc, n)
        clock = word(w, W.CLOCK) + n
    store64(slot, load64(slot) + U(1))
    set_word(w, W.CLOCK, clock)
    set_word(w, W.CURRENT_TB, tb)


@callback(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr))
def on_block(uc, pc, size, user_data):
    enter_block(address_of(user_data), pc, U(size))
