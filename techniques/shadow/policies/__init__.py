"""The shadow-paging policies by name."""

from techniques.shadow.policies.policy import Policy
from techniques.shadow.policies.trace import Trace
from techniques.shadow.policies.unsync import Unsync
from techniques.shadow.policies.virtual_tlb import VirtualTlb

POLICIES: dict[str, type[Trace] | type[VirtualTlb]] = {
    "trace": Trace,
    "virtual-tlb": VirtualTlb,
    "unsync": Unsync,
}
"""Policy classes; each is made from `Resources`."""

__all__ = ["POLICIES", "Policy"]
