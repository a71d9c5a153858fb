"""Counters without a cost of their own, each with the reason; `hardware_model.cost_table` prices all others."""

from __future__ import annotations

from hardware_model.counter_groups import HYPERCALL_NUMBERS, MULTICALL_SIZES
from hardware_model.vectors import EXCEPTION_VECTORS
from hardware_model.vmx.exit_reasons import EXIT_REASONS, Reason
from hardware_model.vtd.counted import FREE_IN_REMAPPING

_NEVER_RETIRED = (
    *("sysenter", "rdfsbase", "xgetbv", "xsetbv", "invpcid"),
    *("vmcall", "vmx", "rsm", "getsec", "ud", "invalid"),
)
_NO_RETIREMENT = dict.fromkeys(
    _NEVER_RETIRED,
    "never retires on this machine: it raises #UD or exits, which is counted",
)
_DELIVERED = dict.fromkeys(
    ("int_n", "int3"), "its cost is that of its delivery, counted by interrupt.software"
) | {"int1": "its cost is that of the #DB it raises, counted by exception.delivered"}
FREE_CLASSES = _NO_RETIREMENT | _DELIVERED
"""Classes of instructions that are not priced by class."""

EXCLUDED: dict[str, str] = {
    "instructions": "the sum of the instruction classes and the emulated instructions",
    "instructions.emulated": "priced as the work of whoever completed them",
    "instructions.user": "a part of the instruction classes",
    "blocks": "a property of the program's shape",
    "time.idle": "nobody works",
    "syscall": "the same event as insn.syscall",
    "timer.expired": "priced as the interrupt that follows",
    "code.invalidated": "bookkeeping of the engine, not of the modelled processor",
    "vmx.virtual_interrupt": "a part of interrupt.delivered",
    "io.doorbell": "priced as the access or hypercall that rings it",
    "io.interrupt": "priced as its delivery or as the exit that it causes",
    "io.interrupt.coalesced": "costs nothing: that is its point",
    **dict.fromkeys(
        ("io.packet.sent", "io.packet.received", "io.packet.dropped", "io.disk.request"),
        "priced as the work of driver and VMM for it",
    ),
    **dict.fromkeys(
        ("dma.read", "dma.write", "dma.bytes_read", "dma.bytes_written", "dma.message"),
        "the device's own time, which passes beside the processor's",
    ),
    "dma.blocked": "the device's own time; its report is an interrupt",
    **{f"insn.{name}": reason for name, reason in FREE_CLASSES.items()},
    **{f"exception.{v.mnemonic}": "a part of exception.delivered" for v in EXCEPTION_VECTORS},
    "tlb.l1i.miss": "priced as the second-level hit or the walk that follows",
    "tlb.l1d.miss": "priced as the second-level hit or the walk that follows",
    "tlb.l2.miss": "priced as the walk that follows",
    "tlb.flush.all": "priced as the instruction that flushes and the misses that follow",
    "tlb.flush.nonglobal": "priced as the instruction that flushes and the misses that follow",
    "tlb.flush.page": "priced as the instruction that flushes and the misses that follow",
    "tlb.evicted": "replacement takes no time by itself",
    "walk.completed": "a part of the walks",
    "walk.fault": "a part of the walks; the fault is priced as its delivery or its exit",
    "walk.ept_violation": "a part of the walks; priced as its exit",
    "walk.ept_misconfiguration": "a part of the walks; priced as its exit",
    "walk.reference": "the sum of the references by level",
    "psc.pml4e.hit": "saves references; the look-up is part of the walk's start",
    "psc.pdpte.hit": "saves references; the look-up is part of the walk's start",
    "psc.pde.hit": "saves references; the look-up is part of the walk's start",
    "psc.ept.hit": "saves references; the look-up is part of the walk's start",
    "entries": "every entry but the first follows an exit and is priced with it",
    "entry.failed": "a defect of the VMM, not a cost of a technique",
    **{
        f"exit.{r.name}": "a part of the exits"
        for r in EXIT_REASONS
        if r.number != Reason.IO_INSTRUCTION
    },
    "emulate.entry_read": "a deprivileging VMM lies in the guest's address space, so that the processor "
    "translates its accesses, and its misses are part of its path lengths",
    "trap.emulated": "counted by emulate as well",
    "mmu.pf_total": "the sum of the kinds of page faults, priced by kind",
    "mmu.pf_write_protect": "priced as the page-table write that it announces",
    "mmu.pf_mmio": "priced as the emulation and the device access that follow",
    **dict.fromkeys(
        ("bt.unit", "bt.instruction.emitted", "bt.byte.emitted"),
        "priced as the translation of the guest's instructions",
    ),
    "bt.instruction.executed": "a part of the instruction classes",
    "bt.instruction.retired": "priced as the instructions of its translation",
    "bt.exit.chained": "priced as the jump that it is",
    "bt.exit.unchained": "the same as bt.callout.link, a part of bt.callout",
    "bt.invalidated.remap": "a part of bt.invalidated",
    "bt.space.switch": "one store to the state page, within the handling of the CR3 load",
    "bt.fence.hit": "priced as the trap by #BR, or as the callout, that it is",
    "bt.fence.relaxed": "priced as the trap by #BR, the unit that it drops and the one made anew",
    "bt.frame.released": "priced as the units that it drops",
    **{
        f"bt.callout.{kind}": "a part of bt.callout"
        for kind in ("link", "miss", "emulate", "window", "traced", "fenced")
    },
    "hypercall.multicall": "its entry and its requests are priced",
    "hypercall.unimplemented": "priced as the entry",
    "pv.continuation": "priced as the entry that goes on with the call",
    **{
        f"hypercall.unimplemented.{number}": "a part of hypercall.unimplemented"
        for number in (*range(HYPERCALL_NUMBERS), "other")
    },
    **{f"pv.multicall.{size}": "a part of hypercall.multicall" for size in MULTICALL_SIZES},
    "pv.page_table_write": "priced as its trap, its emulation and the validation of the entry",
    "pv.rejected": "priced as what was done before the error",
    **FREE_IN_REMAPPING,
    "refused": "priced as the exit, trap or request that was refused",
    **{
        f"refused.{reason}": "a part of refused"
        for reason in (
            *("ept_violation", "shadow", "frame", "descriptor_address", "descriptor_number"),
            *("descriptor_loop", "grant", "grant_sectors", "ring_index"),
        )
    },
    "isolation.breach.bytes": "an observation, not work",
    "isolation.breach.interrupts": "an observation, not work",
    "mmu.recycled": "a part of mmu.shadow_zapped",
    "mmu.flooded": "a part of mmu.shadow_zapped",
}
"""Counters without a cost of their own: name and reason."""
