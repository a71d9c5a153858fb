"""CPUID as Xen shows it to a PV guest: its own leaves, and without the features that such a guest cannot use.

Linux asks for it by the bytes of UD2 and "xen" before the instruction. Plain CPUID does not trap at CPL 3.
"""

from __future__ import annotations

from hardware_model.cpuid import cpuid

_LEAF_BASE = 0x40000000
_SIGNATURE = (0x566E6558, 0x65584D4D, 0x4D4D566E)  # "XenVMMXenVMM"
VERSION = 4 << 16 | 17
_HYPERVISOR_BIT = 1 << 31
_HIDDEN_1_EDX = 1 << 3 | 1 << 13 | 1 << 17  # PSE, PGE, PSE-36
_HIDDEN_7_EBX = 1 << 7 | 1 << 20 | 1 << 0  # SMEP, SMAP, FSGSBASE
_HIDDEN_EXTENDED_EDX = 1 << 26 | 1 << 27  # 1 GiB pages, RDTSCP
_PRESERVE_AD_UPDATES = 1


def guest_cpuid(leaf: int, subleaf: int) -> tuple[int, int, int, int]:
    """EAX, EBX, ECX and EDX."""
    eax, ebx, ecx, edx = cpuid(leaf, subleaf)
    match leaf:
        case 1:
            return eax, ebx, ecx | _HYPERVISOR_BIT, edx & ~_HIDDEN_1_EDX
        case 7:
            return eax, ebx & ~_HIDDEN_7_EBX, ecx, edx
        case 0x80000001:
            return eax, ebx, ecx, edx & ~_HIDDEN_EXTENDED_EDX
    if leaf == _LEAF_BASE:
        return (_LEAF_BASE + 2, *_SIGNATURE)
    if leaf == _LEAF_BASE + 1:
        return VERSION, 0, 0, 0
    if leaf == _LEAF_BASE + 2:
        return 0, 0, _PRESERVE_AD_UPDATES, 0  # no hypercall page
    return eax, ebx, ecx, edx
