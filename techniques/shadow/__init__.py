"""Shadow paging: the processor walks tables that the VMM derives from the guest's.

The guest's tables hold guest-physical addresses, so the processor cannot use them. `ShadowPager`
keeps real 4-level page tables in machine memory that combine the guest's tables with the guest's
place in machine memory, fills them on page faults that the guest never sees (hidden faults), and
tells those apart from true ones by walking the guest's tables in software.

    guest's tables               shadow tables                  policies: how they follow
    CR3 -> PML4 -> ... -> PTE    real CR3 -> ... -> shadow PTE  trace, unsync, virtual-tlb
      (frames of the guest)        (frames of the VMM)

See Adams and Agesen, "A comparison of software and hardware techniques for x86 virtualization"
(ASPLOS 2006), section 2.2 and 3.4, for tracing and hidden faults; Linux's
`Documentation/virt/kvm/x86/mmu.rst` for roles, unsynchronized pages and the names of counters.
"""

from techniques.shadow.errors import (
    Inconsistent,
    PoolTooSmall,
    ReservedRegion,
    ShadowError,
    UnsupportedPaging,
)
from techniques.shadow.faults import DeviceAccess, EmulateWrite, FaultResult, Filled, GuestFault
from techniques.shadow.pager import ShadowPager
from techniques.shadow.paging_mode import GuestPaging, ProcessorLimits
from techniques.shadow.policies import POLICIES

__all__ = [
    "POLICIES",
    "DeviceAccess",
    "EmulateWrite",
    "FaultResult",
    "Filled",
    "GuestFault",
    "GuestPaging",
    "Inconsistent",
    "PoolTooSmall",
    "ProcessorLimits",
    "ReservedRegion",
    "ShadowError",
    "ShadowPager",
    "UnsupportedPaging",
]
