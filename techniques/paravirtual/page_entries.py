"""Page-table entries as Xen sees those of an x86-64 PV guest: which bits it forbids, which it adds.

Kernel and user both run at CPL 3, so every mapping of the guest gets the user bit. User mappings become global, which
lets them survive the switch between the guest's user and kernel roots; kernel mappings are marked in a bit that the
processor ignores.
"""

from __future__ import annotations

import numpy as np

PRESENT, WRITABLE, USER = 0x1, 0x2, 0x4
WRITE_THROUGH, CACHE_DISABLE = 0x8, 0x10
ACCESSED, DIRTY, LARGE, GLOBAL = 0x20, 0x40, 0x80, 0x100
GUEST_KERNEL, GRANT, NO_EXECUTE = 1 << 52, 1 << 62, 1 << 63
ADDRESS = 0x000F_FFFF_FFFF_F000
AVAILABLE = 0xE00 | 0x7FF << 52

BASE_DISALLOWED = WRITE_THROUGH | CACHE_DISABLE | LARGE | GLOBAL
L1_DISALLOWED = (BASE_DISALLOWED | GRANT) & ~GLOBAL
# A level-1 entry that changes in these bits only keeps its references as they are.
L1_UNREFERENCED = NO_EXECUTE | AVAILABLE | GLOBAL | DIRTY | ACCESSED | USER
MASK64 = (1 << 64) - 1


def frame(entry: int) -> int:
    """The machine frame number in an entry."""
    return (entry & ADDRESS) >> 12


def disallowed(level: int) -> int:
    """Bits that a present entry of `level` (1-4) must not have."""
    return L1_DISALLOWED if level == 1 else BASE_DISALLOWED


def adjusted(level: int, entry: int, *, kernel_is_user: bool = True) -> int:
    """The entry that Xen stores for a guest's `entry`; it is as it was if the kernel runs at CPL 1, a supervisor's."""
    if not entry & PRESENT or not kernel_is_user:
        return entry
    if level > 1:
        return entry | USER
    if not entry & USER:
        entry |= GUEST_KERNEL | USER
    return entry if entry & GUEST_KERNEL else entry | GLOBAL | USER


def adjusted_leaves(entries: np.ndarray, *, kernel_is_user: bool = True) -> np.ndarray:
    """`adjusted` for all entries of a table of level 1."""
    if not kernel_is_user:
        return entries
    kernel = entries & np.uint64(USER) == 0
    marked = entries | np.where(kernel, np.uint64(GUEST_KERNEL | USER), np.uint64(0))
    users = marked & np.uint64(GUEST_KERNEL) == 0
    marked |= np.where(users, np.uint64(GLOBAL | USER), np.uint64(0))
    return np.where(entries & np.uint64(PRESENT) != 0, marked, entries)
