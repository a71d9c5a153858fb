"""The walk of a guest's page tables that a VMM makes in software (Intel SDM vol. 3A sections 4.5 to 4.8).

It stands here because it is native code over the same memory as the processor's walk (`walker`); what it finds is the
VMM's business. `tables` are the words of the guest's memory, from guest-physical 0 on: an entry beyond them reads as
all ones. `walk` is the array of `Walk` words. The guest's memory is never written: where accessed or dirty flags must
be set the walk pauses, and goes on when the VMM has set them.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from hardware_model.counters import CounterArray
from hardware_model.mmu.entries import ABSENT_MEMORY, Ram, entry_offset, join
from hardware_model.mmu.paging import Cr0, Cr4, Efer, Entry, PageFault
from hardware_model.mmu.tlb import FRAME, signed
from hardware_model.native import inner, native

Words = npt.NDArray[np.uint64]


class Walk(IntEnum):
    """Words of a walk: the guest's registers, set by the VMM, and what the last walk found."""

    CR0 = 0
    CR3 = 1
    CR4 = 2
    EFER = 3
    READS = 4  # position of the counter of entries read
    RESERVED_TABLE = 8  # + level (1 to 4): reserved bits of present entries without PS ...
    RESERVED_LARGE = 16  # ... and with PS

    GPA = 24  # guest-physical address of the linear address
    LEVEL = (
        25  # of the leaf; 1, 2, 3 = 4 KiB, 2 MiB, 1 GiB; of the next table while the walk pauses
    )
    ENTRY = 26  # the leaf, or the entry at which the walk pauses, with the flags that it must get
    RIGHTS = 27  # what all entries of the path have in common, in the bits of an entry
    PATH = 28  # frame number and rights so far of the tables below the root: of level 3, 2, 1
    ADDRESS = 34  # guest-physical address of ENTRY, where flags must be set


WORDS = 35
FOUND, LEAF_FLAGS, TABLE_FLAGS = -1, -2, -3
"""Answers of `walk_tables`; others are the error code of a page fault."""

SMAP_LIFTED = 1 << 18
"""Beside the bits of an error code that say what an access is: EFLAGS.AC lifts SMAP for it."""

ROOT_LEVEL = 4
U = np.uint64
_P, _RW, _US, _A, _D = U(Entry.P), U(Entry.RW), U(Entry.US), U(Entry.A), U(Entry.D)
_PS, _NX, _KEEP = U(Entry.PS), U(Entry.NX), U(~int(Entry.RW | Entry.US) & (1 << 64) - 1)
_WP, _SMEP, _SMAP, _NXE = U(Cr0.WP), U(Cr4.SMEP), U(Cr4.SMAP), U(Efer.NXE)
_FAULT_P, _FAULT_RSVD = int(PageFault.P), int(PageFault.P | PageFault.RSVD)
_WRITE, _USER, _FETCH = int(PageFault.W), int(PageFault.U), int(PageFault.I)
_ONE, _THREE, _NINE, _TWELVE, _ROOT_SHIFT = U(1), U(3), U(9), U(12), U(39)


@inner
def _entry(tables: Ram, walk: Words, counters: CounterArray, address: np.uint64) -> np.uint64:
    counters[walk[Walk.READS]] += _ONE
    index = address >> _THREE
    return tables[index] if index < U(tables.size) else ABSENT_MEMORY


@inner
def _is_reserved(walk: Words, entry: np.uint64, level: int) -> bool:
    reserved = Walk.RESERVED_LARGE if entry & _PS else Walk.RESERVED_TABLE
    return bool(entry & walk[reserved + level])


@inner
def _error(walk: Words, cause: int, access: int) -> int:
    error = cause | access & (_WRITE | _USER)
    if access & _FETCH and (walk[Walk.CR4] & _SMEP or walk[Walk.EFER] & _NXE):
        error |= _FETCH
    return error


@inner
def _allows(walk: Words, rights: np.uint64, access: int) -> bool:
    if access & _FETCH and rights & _NX:
        return False
    if access & _USER:
        return bool(rights & _US and (rights & _RW or not access & _WRITE))
    if access & _WRITE and walk[Walk.CR0] & _WP and not rights & _RW:
        return False
    if not rights & _US:
        return True
    if access & _FETCH:
        return not walk[Walk.CR4] & _SMEP
    return bool(access & SMAP_LIFTED) or not walk[Walk.CR4] & _SMAP


@native
def walk_tables(
    tables: Ram, walk: Words, counters: CounterArray, va: int, access: int, level: int
) -> int:
    """Translate bits 47:0 `va` of a linear address for one access: FOUND, or the error code of its page fault.

    `access` has bits W, U and I of an error code, and SMAP_LIFTED; `level` is ROOT_LEVEL. For TABLE_FLAGS the VMM
    stores Walk.ENTRY at Walk.ADDRESS and calls again with Walk.LEVEL, for LEAF_FLAGS it stores it and is done.
    """
    linear, shift = U(va), U(3 + 9 * level)
    if level == ROOT_LEVEL:
        table, rights = walk[Walk.CR3] & FRAME, _RW | _US
    else:
        below = Walk.PATH + 2 * (ROOT_LEVEL - 1 - level)
        table, rights = walk[below] << _TWELVE, walk[below + 1]
    while True:
        address = table + entry_offset(linear, shift)
        entry = _entry(tables, walk, counters, address)
        if not entry & _P:
            return _error(walk, 0, access)
        if _is_reserved(walk, entry, level):
            return _error(walk, _FAULT_RSVD, access)
        rights = rights & (entry | _KEEP) | entry & _NX
        if level == 1 or entry & _PS:
            break
        table = entry & FRAME
        level -= 1
        shift -= _NINE
        below = Walk.PATH + 2 * (ROOT_LEVEL - 1 - level)
        walk[below], walk[below + 1] = table >> _TWELVE, rights
        if not entry & _A:
            walk[Walk.ENTRY], walk[Walk.ADDRESS], walk[Walk.LEVEL] = entry | _A, address, U(level)
            return TABLE_FLAGS
    if not _allows(walk, rights, access):
        return _error(walk, _FAULT_P, access)
    flagged = entry | (_A | _D if access & _WRITE else _A)
    walk[Walk.GPA], walk[Walk.LEVEL] = join(entry, linear, shift), U(level)
    walk[Walk.ENTRY], walk[Walk.RIGHTS] = flagged, rights
    walk[Walk.ADDRESS] = address
    return FOUND if flagged == entry else LEAF_FLAGS


@native
def probe_tables(tables: Ram, walk: Words, counters: CounterArray, va: int) -> int:
    """Guest-physical address of bits 47:0 `va` of a linear address, whatever the rights; -1 without a translation."""
    linear, shift, level, table = U(va), _ROOT_SHIFT, ROOT_LEVEL, walk[Walk.CR3] & FRAME
    while True:
        entry = _entry(tables, walk, counters, table + entry_offset(linear, shift))
        if not entry & _P or _is_reserved(walk, entry, level):
            return -1
        if level == 1 or entry & _PS:
            return signed(join(entry, linear, shift))
        table = entry & FRAME
        level -= 1
        shift -= _NINE
