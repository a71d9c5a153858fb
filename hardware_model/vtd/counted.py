"""What is counted about remapping: rows for the tables of counters and of costs."""

from __future__ import annotations

from hardware_model.vtd.fault_reasons import FaultReason

REMAPPING: dict[str, str] = {
    "vtd.request": "pages' parts of DMA requests that the remapping unit translated or blocked",
    "vtd.request.pass_through": "of these, requests of devices in pass-through",
    "vtd.context.hit": "requests whose context entry was cached",
    "vtd.context.miss": "requests whose context entry was read from memory",
    "vtd.iotlb.hit": "translations found in the IOTLB",
    "vtd.iotlb.miss": "translations sought in the IOTLB in vain, each of which starts a walk",
    "vtd.iotlb.stale": "translations found in the IOTLB that the domain's tables no longer give",
    "vtd.iotlb.evicted": "IOTLB entries replaced by a fill",
    "vtd.iotlb.dropped": "IOTLB entries dropped by invalidations",
    "vtd.reference": "entries of remapping tables read for DMA requests",
    "vtd.reference.root": "of these, root entries",
    "vtd.reference.context": "of these, context entries",
    **{f"vtd.reference.l{n}": f"of these, second-level entries at level {n}" for n in (4, 3, 2, 1)},
    **{
        f"vtd.iotlb.invalidate.{name}": f"IOTLB invalidations, {what}"
        for name, what in (
            ("global", "global"),
            ("domain", "of one domain"),
            ("page", "of pages of a domain"),
        )
    },
    **{
        f"vtd.context.invalidate.{name}": f"context-cache invalidations, {what}"
        for name, what in (
            ("global", "global"),
            ("domain", "of one domain"),
            ("device", "of one device"),
        )
    },
    "vtd.interrupt_cache.hit": "interrupt requests whose remapping entry was cached",
    "vtd.interrupt_cache.miss": "interrupt requests whose remapping entry was read from memory",
    "vtd.interrupt_cache.invalidate": "interrupt-entry-cache invalidations",
    "vtd.queue.descriptor": "descriptors of the invalidation queue executed",
    "vtd.queue.wait": "of these, wait descriptors",
    "vtd.interrupt.remapped": "interrupt requests delivered as their remapping entry says",
    "vtd.interrupt.posted": "interrupt requests noted in a posted-interrupt descriptor",
    "vtd.interrupt.posted.coalesced": "of these, requests whose vector was noted there already",
    "vtd.interrupt.posted.unnotified": "of these, requests of which no processor was notified, as ON or SN was set",
    "vtd.interrupt.compatibility": "compatibility-format interrupt requests let pass while remapping was on",
    "vtd.event": "messages of the remapping unit itself: fault and completion events",
    "vtd.blocked": "DMA and interrupt requests that the remapping unit blocked",
    "vtd.blocked.protected_region": "of these, DMA requests to a protected memory region",
    "vtd.fault": "faults recorded",
    "vtd.fault.lost": "faults not recorded because all fault records were in use",
    "vtd.fault.disabled": "faults not recorded because the entry says so (FPD)",
    **{
        f"vtd.fault.{r.name.lower()}": f"blocked requests, reason {r:#x}: {r.doc}"
        for r in FaultReason
    },
}
"""Counters of the remapping unit, by name."""

REMAPPING_DRIVER: dict[str, str] = {
    "iommu.map": "pages mapped for devices in second-level tables by a VMM",
    "iommu.unmap": "pages taken from devices in second-level tables by a VMM",
    "iommu.deferred": "of these, pages whose IOTLB invalidation was put off",
    "iommu.flush": "batches of put-off invalidations made good",
    "iommu.exposure": "units of virtual time for which an unmapped page stayed within reach of devices, over all pages",
    "iommu.fault_handled": "fault records read and cleared by a VMM",
}
"""Counters of the software that drives it."""

_DEVICE_WAITS = "the device waits, not the processor"
_FREE: dict[str, str] = {
    "vtd.request vtd.request.pass_through vtd.context.hit vtd.context.miss": _DEVICE_WAITS,
    "vtd.iotlb.hit vtd.iotlb.miss vtd.iotlb.stale vtd.iotlb.evicted": _DEVICE_WAITS,
    "vtd.reference vtd.reference.root vtd.reference.context": _DEVICE_WAITS,
    "vtd.reference.l4 vtd.reference.l3 vtd.reference.l2 vtd.reference.l1": _DEVICE_WAITS,
    "vtd.interrupt_cache.hit vtd.interrupt_cache.miss": _DEVICE_WAITS,
    "vtd.interrupt.remapped vtd.interrupt.compatibility": "priced as the interrupt that follows",
    "vtd.interrupt.posted vtd.event": "priced as the interrupt that follows",
    "vtd.interrupt.posted.coalesced vtd.interrupt.posted.unnotified": "cost nothing: that is their point",
    "vtd.queue.descriptor vtd.iotlb.dropped": "priced as the wait for the invalidations' end",
    **{
        f"vtd.iotlb.invalidate.{name}": "priced as the wait for the invalidations' end"
        for name in ("global", "domain", "page")
    },
    **{
        f"vtd.context.invalidate.{name}": "priced as the wait for the invalidations' end"
        for name in ("global", "domain", "device")
    },
    "vtd.interrupt_cache.invalidate": "priced as the wait for the invalidations' end",
    "vtd.blocked vtd.blocked.protected_region": "the device is told; software learns of it by a fault",
    "vtd.fault vtd.fault.lost vtd.fault.disabled": "priced when software handles the fault",
    "iommu.deferred": "a part of iommu.unmap",
    "iommu.flush": "priced as the wait for the invalidations' end",
    "iommu.exposure": "a duration, not work",
}


FREE_IN_REMAPPING: dict[str, str] = {
    **{name: reason for names, reason in _FREE.items() for name in names.split()},
    **{f"vtd.fault.{reason.name.lower()}": "a part of vtd.blocked" for reason in FaultReason},
}
"""Counters of both without a cost of their own, and why."""
