"""Deprivileging: what trap-and-emulate and binary translation share.

    guest kernel   CPL 1   (its CPL 0; ring compression: supervisor pages stay supervisor pages)
    guest user     CPL 3
    VMM            CPL 0, outside the modelled machine; its GDT, LDT and TSS lie in `vmm_window`

Reading order: `virtual_cpu`, `descriptor_mirror`, `delivery`, `transfers`, `instructions`, `vmm`.
"""

from techniques.deprivileged.vmm import DeprivilegingVmm

__all__ = ["DeprivilegingVmm"]
