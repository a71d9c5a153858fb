"""The counters by group, each declared once; `hardware_model.counters` makes the table of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counter:
    """One declared counter: dotted `name`, `unit` (plural noun), `group`, and `doc`, its meaning in one sentence."""

    name: str
    unit: str
    group: str
    doc: str


def group_of(group: str, unit: str, rows: Mapping[str, str]) -> list[Counter]:
    """Counters of one group and unit; `rows` maps name to meaning."""
    return [Counter(name, unit, group, doc) for name, doc in rows.items()]


_LEVELS = {4: "PML4E", 3: "PDPTE", 2: "PDE", 1: "PTE"}

CPU = group_of(
    "cpu",
    "events",
    {
        "instructions": "guest instructions retired, those completed by a VMM's emulation included",
        "instructions.emulated": "guest instructions that the VMM or the machine completed instead of the engine",
        "instructions.user": "guest instructions retired at CPL 3 by the engine",
        "blocks": "basic blocks entered by the engine",
        "time.idle": "units of virtual time skipped while the guest was halted",
        "syscall": "SYSCALL instructions executed",
        "interrupt.delivered": "external interrupts delivered through the guest's own IDT by the processor",
        "interrupt.software": "INT n and INT3 instructions delivered through the guest's own IDT by the processor",
        "exception.delivered": "exceptions delivered through the guest's own IDT by the processor",
        "port.in": "IN and INS operations that reached a device",
        "port.out": "OUT and OUTS operations that reached a device",
        "mmio.read": "loads that reached a memory-mapped device register",
        "mmio.write": "stores that reached a memory-mapped device register",
        "timer.expired": "expiries of a local APIC timer",
        "code.invalidated": "code frames whose translations were dropped after a write by a VMM or a device",
    },
)

MMU = group_of(
    "mmu",
    "events",
    {
        "tlb.l1i.miss": "instruction fetches that missed the first-level instruction TLB",
        "tlb.l1d.miss": "data accesses that missed the first-level data TLB",
        "tlb.l2.hit": "first-level TLB misses that hit the second-level TLB",
        "tlb.l2.miss": "first-level TLB misses that missed the second-level TLB",
        "tlb.flush.all": "flushes of every TLB entry of the current tag, global ones included",
        "tlb.flush.nonglobal": "flushes of the non-global TLB entries of the current tag",
        "tlb.flush.page": "single-page TLB invalidations",
        "tlb.evicted": "valid TLB entries replaced by a fill",
        "walk": "page walks started",
        "walk.completed": "page walks that found a translation",
        "walk.fault": "page walks that ended in a page fault",
        "walk.ept_violation": "page walks that ended in an EPT violation",
        "walk.ept_misconfiguration": "page walks that ended in an EPT misconfiguration",
        "walk.reference": "page-table entries read by page walks, guest and EPT dimension together",
        **{
            f"walk.reference.guest.l{n}": f"{e}s of the guest dimension read by walks"
            for n, e in _LEVELS.items()
        },
        **{f"walk.reference.ept.l{n}": f"EPT {e}s read by walks" for n, e in _LEVELS.items()},
        "walk.ad_update": "page-table entries in which walks set accessed or dirty bits",
        "psc.pml4e.hit": "walks that started from a cached PML4E",
        "psc.pdpte.hit": "walks that started from a cached PDPTE",
        "psc.pde.hit": "walks that started from a cached PDE",
        "psc.ept.hit": "guest-physical translations served by the nested TLB during two-dimensional walks",
    },
)

VMX = group_of(
    "vmx",
    "events",
    {
        "exits": "VM exits",
        "entries": "VM entries",
        "entry.failed": "VM entries refused by the entry checks",
        "vmread": "VMREADs executed by the VMM",
        "vmwrite": "VMWRITEs executed by the VMM",
        "injection.interrupt": "external interrupts injected by VM entry",
        "injection.exception": "exceptions injected by VM entry",
        "injection.software": "software interrupts and software exceptions injected by VM entry",
        "vmx.exception_kept": "exceptions in non-root mode that the exception bitmap left to the guest",
        "vmx.tpr_access": "accesses to CR8 in non-root mode that the TPR shadow served",
        "vmx.apic_access": "accesses to local-APIC registers that the virtual-APIC page served without an exit",
        "vmx.posted": "notifications of posted interrupts that the processor took up without an exit",
        "vmx.virtual_interrupt": "interrupts that virtual-interrupt delivery handed to the guest without an exit",
    },
)

TRAP = group_of(
    "trap",
    "events",
    {
        "traps": "exceptions, interrupts and SYSCALLs of a deprivileged guest taken by the VMM's own IDT",
        "trap.interrupt": "external interrupts taken by the VMM's own IDT",
        "trap.syscall": "SYSCALLs that entered the VMM",
        "trap.reflected": "events that the VMM delivered to a deprivileged guest's kernel",
        "trap.emulated": "privileged instructions of a deprivileged guest that the VMM emulated",
    },
)

SHADOW = group_of(
    "shadow",
    "events",
    {
        "mmu.pf_total": "page faults that reached the shadow pager",
        "mmu.pf_fixed": "hidden page faults: repaired by filling or adjusting shadow entries (KVM pf_fixed)",
        "mmu.pf_guest": "true page faults: reflected to the guest (KVM pf_guest)",
        "mmu.pf_write_protect": "write faults on write-protected guest page tables (traced writes)",
        "mmu.pf_mmio": "page faults on device registers",
        "mmu.pte_write": "guest page-table writes emulated by the VMM (KVM mmu_pte_write)",
        "mmu.pte_updated": "shadow entries changed by a guest page-table write (KVM mmu_pte_updated)",
        "mmu.pde_zapped": "non-leaf shadow entries dropped by a guest page-table write (KVM mmu_pde_zapped)",
        "mmu.shadow_zapped": "shadow pages destroyed (KVM mmu_shadow_zapped)",
        "mmu.shadow_created": "shadow pages created",
        "mmu.cache_miss": "shadow pages sought and not found (KVM mmu_cache_miss)",
        "mmu.cache_hit": "shadow pages sought and found",
        "mmu.recycled": "shadow pages destroyed to make room (KVM mmu_recycled)",
        "mmu.unsync": "guest page tables that became unsynchronized (KVM mmu_unsync)",
        "mmu.sync": "unsynchronized guest page tables brought up to date",
        "mmu.spte_set": "leaf shadow entries filled",
        "mmu.root_switch": "changes of the active shadow root",
        "mmu.guest_entry_read": "guest page-table entries read by the VMM's software walker",
        "mmu.flooded": "shadow pages destroyed because their guest table was written too often (KVM mmu_flooded)",
        "mmu.tlb_flush": "TLB flushes requested by the VMM (KVM tlb_flush)",
        "mmu.invlpg": "INVLPGs emulated by the VMM (KVM invlpg)",
        "mmu.ad_propagated": "accessed or dirty bits written into guest page tables by the VMM",
        "ept.filled": "EPT leaf entries filled on demand",
    },
)

VMM = group_of(
    "vmm",
    "events",
    {
        "emulate": "guest instructions emulated by the VMM; not the adapted ones of bt.callout.traced",
        "emulate.bytes": "bytes of guest memory copied by the VMM while emulating",
        "emulate.entry_read": "guest page-table entries read to find guest memory that a deprivileging VMM accesses",
        "device.port": "port accesses served by the VMM's device models",
        "device.mmio": "register accesses served by the VMM's device models",
        "inject.window": "interrupt-window requests by the VMM",
        "refused": "attempts of a guest on what is not its own that its VMM refused and recorded",
        "refused.ept_violation": "of these, accesses that EPT leads nowhere",
        "refused.shadow": "of these, accesses that got no shadow entry",
        "refused.frame": "of these, page-table entries that name a frame not the domain's",
        "refused.descriptor_address": "of these, ring descriptors outside of the guest's memory",
        "refused.descriptor_number": "of these, numbers of ring descriptors that do not exist",
        "refused.descriptor_loop": "of these, chains of descriptors longer than their ring",
        "refused.grant": "of these, grants of frames that are not the domain's to give",
        "refused.grant_sectors": "of these, requests for sectors beyond a granted frame",
        "refused.ring_index": "of these, ring indices that claim more requests than the ring holds",
        "isolation.breach.bytes": "bytes of others' memory that an attack of the family isolation changed or disclosed",
        "isolation.breach.interrupts": "interrupts that an attack of the family isolation raised",
        "world.switch": "times that a VM was given the processor, of several on the machine",
    },
)

IO = group_of(
    "io",
    "events",
    {
        "io.doorbell": "stores, port writes and events that told a device or back end of new work",
        "io.interrupt": "interrupts that devices and back ends raised",
        "io.interrupt.coalesced": "interrupt causes that cost no interrupt of their own",
        "io.packet.sent": "frames that left a network card or back end",
        "io.packet.received": "frames put into receive buffers",
        "io.packet.dropped": "frames lost for want of a receive buffer",
        "io.disk.request": "disk requests completed",
        "dma.read": "reads of memory by devices",
        "dma.write": "writes of memory by devices",
        "dma.bytes_read": "bytes that devices read from memory",
        "dma.bytes_written": "bytes that devices wrote to memory",
        "dma.message": "message-signalled interrupts sent by devices",
        "dma.blocked": "accesses and messages of devices that were blocked on their way",
        "vmm.packet": "frames that passed through a device model or back end of the VMM",
        "vmm.disk_request": "disk requests served by a device model or back end of the VMM",
        "vmm.bytes_copied": "bytes that the VMM copied between guest memory and a device model or back end",
    },
)

# Names of hypercalls as in Xen's public headers.
HYPERCALL_NAMES = (
    *("set_trap_table", "mmu_update", "set_gdt", "stack_switch", "set_callbacks", "fpu_taskswitch"),
    *("set_debugreg", "get_debugreg", "update_descriptor", "memory_op", "multicall"),
    *("update_va_mapping", "set_timer_op", "xen_version", "console_io", "grant_table_op"),
    *("vm_assist", "iret", "vcpu_op", "set_segment_base", "mmuext_op", "sched_op", "callback_op"),
    *("event_channel_op", "physdev_op"),
)

#: Hypercall numbers that Xen's public headers know; greater ones are counted as `other`.
HYPERCALL_NUMBERS = 56
#: The least size of the multicalls that are counted together.
MULTICALL_SIZES = (1, 2, 4, 8, 16, 32)

PV = group_of(
    "pv",
    "events",
    {
        "hypercall.entries": "hypercalls executed by SYSCALL; a multicall is one",
        **{
            f"hypercall.{name}": f"{name} operations, those in multicalls included"
            for name in HYPERCALL_NAMES
        },
        "hypercall.unimplemented": "hypercalls answered with -ENOSYS because the hypervisor lacks them",
        **{
            f"hypercall.unimplemented.{number}": f"of these, calls with number {number}"
            for number in (*range(HYPERCALL_NUMBERS), "other")
        },
        **{
            f"pv.multicall.{size}": f"multicalls of {size} entries or more, and less than the next size"
            for size in MULTICALL_SIZES
        },
        "pv.multicall_entry": "hypercalls executed as part of a multicall",
        "pv.continuation": "hypercalls that were interrupted, for the guest to go on with",
        "pv.mmu_update_entry": "requests of mmu_update processed",
        "pv.mmuext_entry": "requests of mmuext_op processed",
        "pv.entry_validated": "page-table entries checked against the rules of direct paging",
        "pv.page_table_write": "stores of the guest kernel to a page table that the hypervisor performed",
        "pv.type_change": "frames that changed their type",
        "pv.pin": "page tables pinned",
        "pv.unpin": "page tables unpinned",
        "pv.rejected": "hypercalls and requests in them that ended in an error",
        "pv.syscall_bounced": "system calls of user programs passed on to the guest kernel",
        "pv.exception_bounced": "exceptions passed on to the guest kernel",
        "pv.upcall": "event upcalls made to the guest kernel",
        "pv.event_sent": "event channels that became pending",
        "pv.mode_switch": "switches between the guest's kernel root and its user root",
        "pv.root_switch": "new base pointers loaded for the guest",
        "pv.tlb_flush": "TLB flushes requested by the guest",
        "pv.tlb_flush.type_change": "TLB flushes made because a frame changed its type",
        "pv.invlpg": "single-page invalidations requested by the guest",
        "pv.block": "times the guest blocked",
        "pv.grant_mapped": "grants mapped by the driver domain",
        "pv.grant_unmapped": "grants that the driver domain has given back",
        "pv.grant_copy": "copies made by the hypervisor from or to granted frames",
        "pv.grant_copy.bytes": "bytes of these copies",
    },
)

BT = group_of(
    "bt",
    "events",
    {
        "bt.unit": "translation units made",
        "bt.instruction.translated": "guest instructions translated",
        "bt.instruction.emitted": "instructions emitted into the translation cache",
        "bt.byte.emitted": "bytes emitted into the translation cache",
        "bt.instruction.executed": "instructions executed in the translation cache",
        "bt.instruction.retired": "guest instructions that these came to; the rest was user code's or the VMM's",
        "bt.lookup": "indirect transfers by the table in the cache; those it missed are bt.callout.miss",
        "bt.exit.chained": "direct exits of units taken straight to the next unit",
        "bt.exit.unchained": "direct exits of units that called out, since they were linked to no unit",
        "bt.link.made": "direct exits linked to the unit they lead to",
        "bt.link.undone": "direct exits that lost the unit they led to",
        "bt.lookup.filled": "entries of the table for indirect transfers filled",
        "bt.invalidated": "units dropped because their source was written or mapped elsewhere",
        "bt.invalidated.remap": "of these, units whose linear page was mapped elsewhere",
        "bt.space.switch": "changes to another address space of code: other units, another lookup table",
        "bt.frame.released": "frames of code that lost all units because they were written again and again",
        "bt.flush": "times the translation cache was emptied because it was full",
        "bt.adapted": "instructions that kept faulting and became callouts",
        "bt.reverted": "of these, instructions that became themselves again",
        "bt.fence.hit": "checks of the fence that kept the guest from the VMM's slot (traps by #BR)",
        "bt.fence.relaxed": "checks on the wrong side of the VMM's slot, whose units were translated again",
        "bt.callout": "calls from the translation cache to the VMM",
        "bt.callout.link": "callouts at a direct exit without a unit to lead to",
        "bt.callout.miss": "callouts at an indirect transfer that the lookup table did not answer",
        "bt.callout.emulate": "callouts for an instruction that the VMM performs",
        "bt.callout.window": "callouts because an interrupt waited when the guest set IF",
        "bt.callout.traced": "callouts for adapted loads and stores",
        "bt.callout.fenced": "callouts at what can only go to the VMM's own slot, and after it was tried",
    },
)
