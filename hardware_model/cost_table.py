"""Which cost multiplies which counters, declared once; a preset gives each cost its cycles.

A cost belongs to one component of the cycle stack. Every counter is multiplied by at least one cost
or stands in `hardware_model.uncosted` with the reason why it costs nothing by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from hardware_model.counter_groups import HYPERCALL_NAMES
from hardware_model.instruction_classes import INSTRUCTION_CLASSES
from hardware_model.uncosted import FREE_CLASSES
from hardware_model.vectors import EXCEPTION_VECTORS

Component = Literal[
    "guest work",
    "transitions",
    "VMM software",
    "translation",
    "shadow maintenance",
    "page walks",
    "hypercalls",
    "interrupts",
    "I/O",
    "DMA remapping",
    "IOTLB invalidation",
]

COMPONENTS: tuple[Component, ...] = get_args(Component)
"""The components of the cycle stack, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One cost: `key` in presets, its `component`, the `counters` it multiplies, and `doc`.

    The unit is cycles per event of the counters.
    """

    key: str
    component: Component
    counters: tuple[str, ...]
    doc: str


def _costs(component: Component, rows: Mapping[str, tuple[str, str]]) -> list[Cost]:
    """Rows of key: (counters separated by spaces, doc)."""
    return [Cost(key, component, tuple(names.split()), doc) for key, (names, doc) in rows.items()]


_LEVELS = {4: "a PML4E", 3: "a PDPTE", 2: "a PDE", 1: "a PTE"}

COSTS: tuple[Cost, ...] = (
    *(
        Cost(f"insn.{c.name}", "guest work", (f"insn.{c.name}",), f"{c.doc}: one execution")
        for c in INSTRUCTION_CLASSES
        if c.name not in FREE_CLASSES
    ),
    *_costs(
        "transitions",
        {
            "vmx.round_trip": ("exits", "VM exit and the VM entry after it, without software"),
            "vmx.vmread": ("vmread", "VMREAD"),
            "vmx.vmwrite": ("vmwrite", "VMWRITE"),
            "trap.delivery": (
                "trap.interrupt " + " ".join(f"trap.{v.mnemonic}" for v in EXCEPTION_VECTORS),
                "exception or interrupt from a deprivileged guest into the VMM, and the IRET back",
            ),
            "trap.syscall": ("trap.syscall", "SYSCALL into the VMM and the SYSRET back"),
            "vmx.exception_check": (
                "vmx.exception_kept",
                "consulting the exception bitmap about an exception that stays in the guest",
            ),
            "vmx.tpr_shadow": (
                "vmx.tpr_access vmx.apic_access",
                "reading or writing the virtual-APIC page for CR8 or an APIC register",
            ),
        },
    ),
    *_costs(
        "VMM software",
        {
            "vmm.exit_dispatch": ("exits", "saving and restoring registers, finding the handler"),
            "vmm.exit_port": (
                "exit.io_instruction",
                "from the handler of port I/O to a device model and back",
            ),
            "vmm.trap_dispatch": ("traps", "saving and restoring registers, finding the handler"),
            "vmm.emulate": ("emulate", "fetching, decoding and emulating one guest instruction"),
            "vmm.emulate_byte": (
                "emulate.bytes pv.grant_copy.bytes",
                "copying one byte of guest memory",
            ),
            "vmm.inject": (
                "injection.interrupt injection.exception injection.software",
                "preparing an event for injection",
            ),
            "vmm.window": ("inject.window", "asking for an interrupt window"),
            "vmm.world_switch": (
                "world.switch",
                "saving one VM's whole processor state and loading another's",
            ),
            "vmm.reflect": ("trap.reflected", "building an exception frame for the guest kernel"),
        },
    ),
    *_costs(
        "shadow maintenance",
        {
            "shadow.fill": ("mmu.pf_fixed", "finding out that a page fault is hidden, and why"),
            "shadow.true_fault": ("mmu.pf_guest", "finding out that a page fault is the guest's"),
            "shadow.guest_entry": ("mmu.guest_entry_read", "reading a guest page-table entry"),
            "shadow.set": ("mmu.spte_set", "making a leaf shadow entry"),
            "shadow.pte_write": ("mmu.pte_write", "following a guest page-table write"),
            "shadow.pte_update": ("mmu.pte_updated", "changing a shadow entry after such a write"),
            "shadow.pde_zap": ("mmu.pde_zapped", "dropping a non-leaf shadow entry"),
            "shadow.create": ("mmu.shadow_created", "allocating and clearing a shadow page"),
            "shadow.zap": ("mmu.shadow_zapped", "destroying a shadow page"),
            "shadow.look_up": ("mmu.cache_hit mmu.cache_miss", "seeking a shadow page"),
            "shadow.unsync": ("mmu.unsync", "letting a guest page table go out of step"),
            "shadow.sync": ("mmu.sync", "bringing a shadow page up to date, 512 entries"),
            "shadow.root_switch": ("mmu.root_switch", "changing the active shadow root"),
            "shadow.tlb_flush": ("mmu.tlb_flush", "flushing the TLB of a guest"),
            "shadow.invlpg": ("mmu.invlpg", "emulating INVLPG on shadow entries"),
            "shadow.ad": ("mmu.ad_propagated", "writing A or D into a guest entry"),
            "ept.fill": ("ept.filled", "making an EPT leaf entry on demand"),
        },
    ),
    *_costs(
        "translation",
        {
            "bt.translate": ("bt.instruction.translated", "translating one guest instruction"),
            "bt.callout": ("bt.callout", "from the translation cache to the VMM and back"),
            "bt.link": (
                "bt.link.made bt.link.undone bt.lookup.filled",
                "linking or unlinking an exit of a unit, entering an indirect target",
            ),
            "bt.lookup_wait": (
                "bt.lookup",
                "loads of a look-up in the cache that wait for each other, beside its instructions",
            ),
            "bt.invalidate": ("bt.invalidated", "dropping a translation unit"),
            "bt.flush": ("bt.flush", "emptying the translation cache"),
            "bt.adapt": (
                "bt.adapted bt.reverted",
                "making an instruction a callout, or undoing it",
            ),
        },
    ),
    *_costs(
        "hypercalls",
        {
            "hypercall.dispatch": ("hypercall.entries", "registers saved, the handler found"),
            "hypercall.operation": (
                " ".join(f"hypercall.{name}" for name in HYPERCALL_NAMES if name != "multicall"),
                "an operation's own work; its requests and entries are priced apart",
            ),
            "hypercall.request": (
                "pv.multicall_entry pv.mmu_update_entry pv.mmuext_entry",
                "fetching and decoding one request of a batch",
            ),
            "pv.validate": ("pv.entry_validated", "checking one page-table entry"),
            "pv.type_change": ("pv.type_change", "a frame changes its type"),
            "pv.pin": ("pv.pin pv.unpin", "pinning or unpinning a page table"),
            "pv.bounce": (
                "pv.syscall_bounced pv.exception_bounced pv.upcall",
                "building a frame for the guest kernel and entering it",
            ),
            "pv.event": ("pv.event_sent", "making an event channel pending"),
            "pv.root_load": ("pv.mode_switch pv.root_switch", "loading CR3 on a change of root"),
            "pv.tlb_flush": ("pv.tlb_flush pv.tlb_flush.type_change", "flushing the TLB"),
            "pv.invlpg": ("pv.invlpg", "INVLPG for the guest"),
            "pv.block": ("pv.block", "putting the guest to sleep and waking it"),
            "pv.grant_map": (
                "pv.grant_mapped pv.grant_unmapped",
                "a granted frame mapped or given back",
            ),
            "pv.grant_copy": ("pv.grant_copy", "starting a copy from or to a granted frame"),
        },
    ),
    *_costs(
        "page walks",
        {
            "tlb.l2_hit": ("tlb.l2.hit", "first-level TLB miss that hits the second level"),
            "walk.start": ("walk", "starting and finishing a page walk"),
            **{
                f"walk.reference.l{n}": (f"walk.reference.guest.l{n}", f"reading {entry}")
                for n, entry in _LEVELS.items()
            },
            **{
                f"walk.reference.ept.l{n}": (f"walk.reference.ept.l{n}", f"reading {entry} of EPT")
                for n, entry in _LEVELS.items()
            },
            "walk.ad_update": ("walk.ad_update", "setting A or D in an entry"),
        },
    ),
    *_costs(
        "interrupts",
        {
            "delivery.exception": (
                "exception.delivered interrupt.software",
                "exception, INT n or INT3 through the guest's IDT",
            ),
            "delivery.interrupt": (
                "interrupt.delivered vmx.posted",
                "external interrupt through the guest's IDT, or a notification taken up in its place",
            ),
        },
    ),
    *_costs(
        "I/O",
        {
            "port.read": ("port.in", "waiting for a device to answer IN"),
            "port.write": ("port.out", "waiting for a device to take OUT"),
            "mmio.read": ("mmio.read", "load from a device register"),
            "mmio.write": ("mmio.write", "store to a device register"),
            "vmm.device_port": ("device.port", "the VMM's device model, port access"),
            "vmm.device_mmio": ("device.mmio", "the VMM's device model, register access"),
            "vmm.copy_byte": ("vmm.bytes_copied", "copying one byte between guest and back end"),
            "vmm.packet": (
                "vmm.packet",
                "a frame through the VMM's back end: buffers found, queued, handed on",
            ),
            "vmm.disk_request": ("vmm.disk_request", "a disk request through the VMM's back end"),
        },
    ),
    *_costs(
        "DMA remapping",
        {
            "iommu.map": ("iommu.map", "making a second-level entry, memory barrier included"),
            "iommu.unmap": ("iommu.unmap", "clearing a second-level entry, barrier included"),
            "iommu.fault": ("iommu.fault_handled", "reading and clearing a fault record"),
        },
    ),
    *_costs(
        "IOTLB invalidation",
        {
            "iommu.invalidate": (
                "vtd.queue.wait",
                "queueing an invalidation and waiting for its end",
            ),
        },
    ),
)

KEYS: tuple[str, ...] = tuple(cost.key for cost in COSTS)
