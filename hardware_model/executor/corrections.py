"""Corrections of the block profile: blocks left early, and instructions that the event layer completed.

The block hook counts a block whole. An event in its middle takes back the rest: the clock is set back to
the instruction at hand, and the rest of the block is noted as not executed.
"""

from __future__ import annotations

import numpy as np

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.blocks import instruction_index, units_before
from hardware_model.executor.intrinsics import load16, load64, store64
from hardware_model.executor.state import U, set_word, word
from hardware_model.native import inner

SLOT_BYTES = U(64)
# Pairs of words: key (slot index << 11 | what << 10 | instruction) + 1, times.
CORRECTIONS = 1 << 16
ABORTED, COMPLETED = U(0), U(1)


@inner
def record(w, slot, index, what):
    """Count, for the block of `slot`: it was left before instruction `index` retired (ABORTED), or that one instruction
    was completed by the event layer on the processor's behalf (COMPLETED)."""
    number = (slot - word(w, W.SLOTS)) // SLOT_BYTES
    key = ((number << U(11)) | (what << U(10)) | U(index)) + U(1)
    table = word(w, W.CORRECTIONS)
    i = (key * U(0x9E3779B97F4A7C15)) >> U(48)
    while True:
        at = table + i * U(16)
        seen = load64(at)
        if seen == key or seen == U(0):
            store64(at, key)
            store64(at + U(8), load64(at + U(8)) + U(1))
            return
        i = (i + U(1)) & U(CORRECTIONS - 1)


@inner
def record_completion(w):
    """The instruction of the last event was completed by the event layer: it counts as executed."""
    block = word(w, W.LAST_TB)
    record(w, load64(block + U(L.TB_ORIGINAL)), word(w, W.RETIRE_INDEX), COMPLETED)


@inner
def rewind(w, pc):
    """Take back what the clock was given for the part of the current block from `pc` on.

    Leaves RETIRE_INDEX, INSTRUCTION_PC and INSTRUCTION_LENGTH for the event at `pc`. A block that
    completed is left alone.
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
        units = units_before(w, tb, n) - units_before(w, tb, index)
        clock = word(w, W.CLOCK) - units
        set_word(w, W.CLOCK, clock)
        if word(w, W.MOV_SS_CLOCK) > clock:  # the load of SS itself has faulted
            set_word(w, W.MOV_SS_CLOCK, U(W.NEVER))
        record(w, load64(tb + U(L.TB_ORIGINAL)), U(index), ABORTED)
