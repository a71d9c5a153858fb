"""What a VMM does with its guest's translations, each in one native call: INVLPG and flushes of the modelled caches
and of the engine's TLB, and a walk without side effects.
"""

from __future__ import annotations

from numba import types

from hardware_model.executor.memory_access import (
    counter_words,
    flush_evicted,
    load_registers,
    mmu_state,
    ram_words,
)
from hardware_model.executor.state import U
from hardware_model.mmu import invalidation, probe
from hardware_model.mmu.state import Status
from hardware_model.mmu.state import Word as M
from hardware_model.native import callback

NOWHERE = (1 << 64) - 1


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


@callback(types.uint64(types.uint64, types.uint64))
def on_probe(w, linear):
    """Machine address of `linear` by the current tables, whatever the access rights; NOWHERE where there is none."""
    mmu = mmu_state(w)
    load_registers(w, mmu)
    status, address = probe.probe(ram_words(w), mmu, linear)
    return address if status == Status.OK else U(NOWHERE)
