"""Para-virtualization: a hypervisor that speaks the public Xen x86-64 PV interface to a ported guest."""

from techniques.paravirtual.vmm import Paravirtual

TECHNIQUE = Paravirtual

__all__ = ["TECHNIQUE", "Paravirtual"]
