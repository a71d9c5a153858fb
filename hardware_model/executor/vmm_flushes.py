"""INVLPG and TLB flushes that a VMM executes for its guest: modelled caches and engine's TLB in one native call."""

from __future__ import annotations

from numba import types

from hardware_model.executor.memory_access import (
    counter_words,
    flush_evicted,
    load_registers,
    mmu_state,
)
from hardware_model.mmu import invalidation
from hardware_model.mmu.state import Word as M
from hardware_model.native import callback


@callback(types.void(types.uint64, types.uint64))
def on_invlpg(w, linear):
    """Translations of `linear` under the current tag, global ones too."""
    mmu = mmu_state(w)
    load_registers(w, mmu)
    invalidation.invlpg(mmu, counter_words(w), linear)
    flush_evicted(w, mmu)


@callback(types.void(types.uint64))
def on_flush(w):
    """Every translation of the current tag, global ones too."""
    mmu = mmu_state(w)
    invalidation.flush_vpid(mmu, counter_words(w), mmu[M.VPID])
    flush_evicted(w, mmu)
