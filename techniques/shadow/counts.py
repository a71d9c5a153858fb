"""Positions of the `mmu.*` counters, and the view through which they are incremented."""

from __future__ import annotations

from hardware_model.counters import CounterArray, index

Counts = memoryview
"""A counter array as a memory view: items are plain integers, which is quick to increment."""

PF_TOTAL = index("mmu.pf_total")
PF_FIXED = index("mmu.pf_fixed")
PF_GUEST = index("mmu.pf_guest")
PF_WRITE_PROTECT = index("mmu.pf_write_protect")
PF_MMIO = index("mmu.pf_mmio")
PTE_WRITE = index("mmu.pte_write")
PTE_UPDATED = index("mmu.pte_updated")
PDE_ZAPPED = index("mmu.pde_zapped")
SHADOW_ZAPPED = index("mmu.shadow_zapped")
SHADOW_CREATED = index("mmu.shadow_created")
CACHE_MISS = index("mmu.cache_miss")
CACHE_HIT = index("mmu.cache_hit")
RECYCLED = index("mmu.recycled")
UNSYNC = index("mmu.unsync")
SYNC = index("mmu.sync")
SPTE_SET = index("mmu.spte_set")
ROOT_SWITCH = index("mmu.root_switch")
GUEST_ENTRY_READ = index("mmu.guest_entry_read")
FLOODED = index("mmu.flooded")
TLB_FLUSH = index("mmu.tlb_flush")
INVLPG = index("mmu.invlpg")
OWN_ENTRY_READ = index("emulate.entry_read")
AD_PROPAGATED = index("mmu.ad_propagated")


def view(counters: CounterArray) -> Counts:
    """The same words as `counters`, for increments from Python."""
    return counters.data
