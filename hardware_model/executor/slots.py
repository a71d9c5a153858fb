"""The slots of the block profile.

Slot (8 words): executions, first instruction's linear address, machine address, size | icount << 16 | cflags << 32,
attention flags, offset of the code's copy | exits << 63, index of the first marker, block flags | units of time << 32.
"""

from __future__ import annotations

import numpy as np

from hardware_model.executor import layout as L
from hardware_model.executor import markers
from hardware_model.executor import words as W
from hardware_model.executor.blocks import (
    PAGE_MASK,
    code_address,
    ends_inside,
    exits_of,
    loads_stack_segment,
    repeat_mask,
    units_before,
)
from hardware_model.executor.corrections import SLOT_BYTES
from hardware_model.executor.intrinsics import load8, load16, load32, load64, store8, store64
from hardware_model.executor.state import U, set_word, word
from hardware_model.native import inner

SLOT_WORDS = 8
SLOT_RUNS, SLOT_PC, SLOT_MACHINE, SLOT_SHAPE = range(4)
SLOT_ATTENTION, SLOT_CODE, SLOT_MARKER, SLOT_FLAGS = range(4, 8)
ATTENTION_LIMITED = U(1)
ATTENTION_MARKER = U(2)
ATTENTION_REPEAT = U(4)
ATTENTION_REPEAT_ECX = U(8)
ATTENTION_RING0 = U(16)
ATTENTION_INSIDE = U(32)
ATTENTION_SHADOW = U(64)
ATTENTION_MOV_SS = U(128)


@inner
def attention_for(w, tb, marker):
    """What the block hook must look at when it enters block `tb`."""
    attention = U(0)
    if (load32(tb + U(L.TB_CFLAGS)) & U(L.CFLAGS_COUNT)) != U(0):
        attention |= ATTENTION_LIMITED
    if marker != markers.NONE:
        attention |= ATTENTION_MARKER
    if ends_inside(w, tb):
        attention |= ATTENTION_INSIDE
    if loads_stack_segment(w, tb):
        attention |= ATTENTION_MOV_SS
    flags = load32(tb + U(L.TB_FLAGS))
    if word(w, W.MODE) == U(W.Mode.DEPRIVILEGED) and (flags & U(L.HF_CPL)) == U(0):
        attention |= ATTENTION_RING0
    if (flags & U(L.HF_INHIBIT_IRQ)) != U(0):
        attention |= ATTENTION_SHADOW
    counting = repeat_mask(w, tb)
    if counting != U(0):
        attention |= ATTENTION_REPEAT if counting == ~U(0) else ATTENTION_REPEAT_ECX
    return attention


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
    marker = markers.find(w, tb)
    store64(slot, U(0))
    store64(slot + U(8 * SLOT_PC), pc)
    store64(
        slot + U(8 * SLOT_MACHINE),
        (load64(tb + U(L.TB_PAGE_ADDRESS)) & ~PAGE_MASK) | (pc & PAGE_MASK),
    )
    store64(slot + U(8 * SLOT_SHAPE), size | (icount << U(16)) | (cflags << U(32)))
    store64(slot + U(8 * SLOT_ATTENTION), attention_for(w, tb, marker))
    store64(slot + U(8 * SLOT_CODE), code | exits_of(w, tb) << U(63))
    store64(slot + U(8 * SLOT_MARKER), marker)
    units = units_before(w, tb, np.int64(icount))
    store64(slot + U(8 * SLOT_FLAGS), load32(tb + U(L.TB_FLAGS)) | (units << U(32)))
    store64(tb + U(L.TB_ORIGINAL), slot)
    return slot
