"""The attacks, declared: what protects against each, and how the protection shows that it did."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from hardware_model.vtd.fault_reasons import FaultReason
from techniques.knobs import Knob
from techniques.refusals import RefusalReason

VICTIM = "kernel/pipe"
"""The workload of the guest that is attacked."""
PROTECTION = Knob(
    "protection",
    True,
    (True, False),
    "isolation workloads: whether what stops the attack is there",
    "off: the attack must succeed",
)


class Target(Enum):
    """What an attack aims at."""

    VICTIM = "the kernel of the other guest"
    VICTIM_VMM = "the VMCS, or another page, of the other guest's VMM"
    OWN_VMM = "the region of the guest's own VMM"
    OWN_VMM_CODE = "a routine in that region"
    BEHIND = "what lies behind the guest's memory"
    BUFFER = "a page that was the guest's own"
    BACK_END = "what lies behind the array of a back end"
    INTERRUPT = "an interrupt vector"


class Protection(Enum):
    """What stops an attack."""

    REMAPPING = "VT-d translates the device's addresses"
    STRICT = "unmapping invalidates the IOTLB at once (without: with the next batch)"
    INVALIDATION = "taking a device away invalidates the context cache (without: it does not)"
    INTERRUPT_REMAPPING = "VT-d remaps interrupts"
    SOURCE_VALIDATION = "interrupt-remapping entries name their requester (without: they do not)"
    RINGS = "back ends check what rings say (without: they believe it)"
    MEMORY = "the VMM maps only the guest's own frames (without: it maps what the guest names)"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack: its target, its protection, and what VT-d or the back end puts on record.

    No `reason` where the VMM's page tables stop it: it records what the technique's `refuses_by` says. A ported
    guest's rings are Xen's, of which other things can be forged: `ported` is the reason then.
    """

    target: Target
    protection: Protection
    reason: FaultReason | RefusalReason | None = None
    ported: RefusalReason | None = None


_R, _F, _T, _P = FaultReason, RefusalReason, Target, Protection
ATTACKS: dict[str, Attack] = {
    "isolation/dma": Attack(_T.VICTIM, _P.REMAPPING, _R.READ_DENIED),
    "isolation/dma@write": Attack(_T.VICTIM, _P.REMAPPING, _R.WRITE_DENIED),
    "isolation/dma@vmm": Attack(_T.VICTIM_VMM, _P.REMAPPING, _R.WRITE_DENIED),
    "isolation/dma@across-page": Attack(_T.BEHIND, _P.REMAPPING, _R.WRITE_DENIED),
    "isolation/dma@after-unmap": Attack(_T.BUFFER, _P.REMAPPING, _R.WRITE_DENIED),
    "isolation/dma@stale": Attack(_T.BUFFER, _P.STRICT, _R.WRITE_DENIED),
    "isolation/dma@after-reassignment": Attack(_T.BUFFER, _P.INVALIDATION, _R.CONTEXT_NOT_PRESENT),
    "isolation/dma@interrupt": Attack(
        _T.INTERRUPT, _P.INTERRUPT_REMAPPING, _R.COMPATIBILITY_BLOCKED
    ),
    "isolation/dma@interrupt-index": Attack(_T.INTERRUPT, _P.SOURCE_VALIDATION, _R.SOURCE_MISMATCH),
    "isolation/into-vmm": Attack(_T.OWN_VMM_CODE, _P.MEMORY),
    "isolation/ring": Attack(_T.VICTIM, _P.RINGS, _F.DESCRIPTOR_ADDRESS, _F.GRANT),
    "isolation/ring@write": Attack(_T.VICTIM, _P.RINGS, _F.DESCRIPTOR_ADDRESS, _F.GRANT),
    "isolation/ring@beyond": Attack(_T.BEHIND, _P.RINGS, _F.DESCRIPTOR_NUMBER, _F.GRANT_SECTORS),
    "isolation/ring@loop": Attack(_T.BACK_END, _P.RINGS, _F.DESCRIPTOR_LOOP, _F.RING_INDEX),
    "isolation/foreign-frame": Attack(_T.VICTIM, _P.MEMORY),
    "isolation/foreign-frame@vmm-region": Attack(_T.OWN_VMM, _P.MEMORY),
}
"""By workload."""
