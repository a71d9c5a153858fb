"""Region markers: instructions without effect that the block profile finds in the code of a block."""

from __future__ import annotations

import numpy as np

from hardware_model.executor import layout as L
from hardware_model.executor import nmi
from hardware_model.executor import words as W
from hardware_model.executor.blocks import code_address, read_sleb
from hardware_model.executor.intrinsics import call_event, load8, load16, load64
from hardware_model.executor.state import U, set_word, word
from hardware_model.native import inner

NONE = U(0xFFFF)
OPCODE = U(0x00841F0F)  # nop dword ptr [rax+rax+disp32]
TAG = U(0x7B900000)


@inner
def find(w, tb):
    """Index of the first region marker among the instructions of block `tb`, NONE if there is none."""
    n = np.int64(load16(tb + U(L.TB_ICOUNT)))
    table = load64(tb + U(L.TB_CODE)) + load64(tb + U(L.TB_CODE_SIZE))
    start = load64(tb)
    last = load64(tb) + load16(tb + U(L.TB_SIZE))
    for i in range(n):
        delta, table = read_sleb(table)
        start = U(np.int64(start) + delta)
        if start + U(8) <= last and at(w, tb, start) != U(0):
            return U(i)
        _, table = read_sleb(table)
        _, table = read_sleb(table)
    return NONE


@inner
def at(w, tb, pc):
    """The immediate of the region marker at `pc` of block `tb`, 0 if another instruction stands there."""
    opcode = U(0)
    immediate = U(0)
    for i in range(4):
        opcode |= load8(code_address(w, tb, pc + U(i))) << U(8 * i)
    if opcode != OPCODE:
        return U(0)
    for i in range(4):
        immediate |= load8(code_address(w, tb, pc + U(4 + i))) << U(8 * i)
    return immediate if (immediate & U(0xFFFFF000)) == TAG else U(0)


@inner
def announce(w, immediate):
    """Tell the machine of the marker at hand. What is raised meanwhile comes behind it, so that none is seen twice."""
    set_word(w, W.MARKER, immediate)
    set_word(w, W.CURRENT_TB, U(0))
    call_event(word(w, W.F_EVENT), U(W.Event.MARKER))
    if word(w, W.STOP) != U(0) or word(w, W.IRQ_LINE) != U(0) or nmi.wanted(w):
        set_word(w, W.DEADLINE, min(word(w, W.DEADLINE), word(w, W.CLOCK) + U(1)))
