"""The page walk in one or two dimensions (Intel SDM vol. 3A sections 4.5 to 4.8, vol. 3C 28.3).

Accessed and dirty flags: a walk sets the accessed flag of an entry that leads to another table
before it reads there, and the flags of a leaf only once the access is allowed. So a fault at a leaf
leaves accessed flags above it, as section 4.10.3.1 requires of entries that are cached, and the
leaf itself as it was, as kvm-unit-tests' `x86/access.c` expects of processors. A leaf's flags are
set before the EPT is asked for the page itself.
"""

from __future__ import annotations

import numpy as np

from hardware_model import counters as declared
from hardware_model.counters import CounterArray
from hardware_model.mmu import structure_caches
from hardware_model.mmu.entries import (
    Ram,
    address_bits_reserved,
    entry_offset,
    read_entry,
    write_entry,
)
from hardware_model.mmu.ept import EptViolation
from hardware_model.mmu.nested import (
    ACCESS_UPDATE,
    table_access,
    translate_guest_physical,
)
from hardware_model.mmu.paging import Cr0, Cr4, Efer, Entry, PageFault
from hardware_model.mmu.rights import (
    ALL_RIGHTS,
    DIRTY,
    EPT_EXECUTE,
    EPT_WRITE,
    KEY,
    NX,
    READ,
    USER,
    WRITE,
    guest_prot,
    key_prot,
)
from hardware_model.mmu.state import Kind, Limit, State, Status, Word
from hardware_model.mmu.tlb import (
    FRAME,
    GLOBAL,
    GUEST_SIZE_SHIFT,
    LINEAR,
    NONE,
    OFFSET,
    SIZE_MASK,
    SIZE_SHIFT,
    VALID,
    page_of,
    signed,
    size_code,
    size_shift,
)
from hardware_model.native import inner

U = np.uint64
_P, _RW, _US, _A, _D = U(Entry.P), U(Entry.RW), U(Entry.US), U(Entry.A), U(Entry.D)
_PS, _G, _NX, _PAT_LARGE = U(Entry.PS), U(Entry.G), U(Entry.NX), U(Entry.PAT_LARGE)
_PG, _PGE, _SMEP, _NXE = U(Cr0.PG), U(Cr4.PGE), U(Cr4.SMEP), U(Efer.NXE)
_FAULT_P, _FAULT_W, _FAULT_U = U(PageFault.P), U(PageFault.W), U(PageFault.U)
_FAULT_RSVD, _FAULT_I, _FAULT_PK = U(PageFault.RSVD), U(PageFault.I), U(PageFault.PK)
_TRANSLATION = U(EptViolation.TRANSLATION)
_ONE, _NINE, _TWELVE, _THIRTY, _ROOT_SHIFT = U(1), U(9), U(12), U(30), U(39)

_WALK = declared.index("walk")
_COMPLETED = declared.index("walk.completed")
_FAULT = declared.index("walk.fault")
_VIOLATION = declared.index("walk.ept_violation")
_MISCONFIGURATION = declared.index("walk.ept_misconfiguration")
_REFERENCE = declared.index("walk.reference")
_REFERENCE_L1 = declared.index("walk.reference.guest.l1")
_REFERENCE_STEP = declared.index("walk.reference.guest.l2") - _REFERENCE_L1
_AD_UPDATE = declared.index("walk.ad_update")


@inner
def entry_reserved(mmu: State, entry: np.uint64, shift: np.uint64) -> bool:
    """Whether a present entry that covers 2^`shift` bytes has a reserved bit set."""
    if entry & address_bits_reserved(mmu):
        return True
    if entry & _NX and not mmu[Word.EFER] & _NXE:
        return True
    if shift == _TWELVE or not entry & _PS:
        return False
    if shift > _THIRTY or (shift == _THIRTY and mmu[Word.LIMITS] & U(Limit.NO_1G_PAGES)):
        return True
    return bool(entry & FRAME & ~_PAT_LARGE & ((_ONE << shift) - _ONE))


@inner
def _page_fault(mmu: State, cause: np.uint64, kind: int, user: bool) -> int:
    error = cause
    if kind == Kind.STORE:
        error |= _FAULT_W
    if user:
        error |= _FAULT_U
    if kind == Kind.FETCH and (mmu[Word.EFER] & _NXE or mmu[Word.CR4] & _SMEP):
        error |= _FAULT_I
    mmu[Word.OUT_ERROR] = error
    return Status.PAGE_FAULT


@inner
def accumulate(rights: np.uint64, entry: np.uint64) -> np.uint64:
    """Rights of a path after one more guest entry."""
    if not entry & _RW:
        rights &= ~WRITE
    if not entry & _US:
        rights &= ~USER
    if entry & _NX:
        rights |= NX
    return rights


@inner
def _set_flags(
    ram: Ram,
    mmu: State,
    counters: CounterArray,
    address: np.uint64,
    guest: np.uint64,
    changed: np.uint64,
    rights: np.uint64,
) -> int:
    """Write back an entry, at machine `address` and guest-physical `guest`, with flags set."""
    if not rights & EPT_WRITE:
        status = translate_guest_physical(ram, mmu, counters, guest, ACCESS_UPDATE, NONE)
        if status != Status.OK:
            return status
        address = mmu[Word.EPT_PA]
    write_entry(ram, mmu, address, changed)
    counters[_AD_UPDATE] += _ONE
    return Status.OK


@inner
def _stage(
    mmu: State, va: np.uint64, tag: np.uint64, rights: np.uint64, entry: np.uint64, shift: np.uint64
) -> None:
    """Put the guest dimension's result, leaf `entry` of 2^`shift` bytes, into Word.STAGE."""
    code = size_code(shift)
    flags = VALID | code << SIZE_SHIFT | code << GUEST_SIZE_SHIFT
    if entry & _G and mmu[Word.CR4] & _PGE:
        flags |= GLOBAL
    frame = page_of(entry & FRAME, code)
    mmu[Word.STAGE] = page_of(va & LINEAR, code) | flags
    mmu[Word.STAGE + 1] = tag
    mmu[Word.STAGE + 2] = frame | rights | (entry & KEY)
    mmu[Word.STAGE + 3] = frame


@inner
def _allowed(
    mmu: State, entry: np.uint64, rights: np.uint64, kind: int, user: bool, ac: bool
) -> bool:
    """Whether a leaf allows the access; if not, the page fault is made out."""
    if not user and not key_prot(mmu, entry, rights) >> U(kind) & _ONE:
        _page_fault(mmu, _FAULT_P | _FAULT_PK, kind, user)
        return False
    if not guest_prot(mmu, rights, user, ac) >> U(kind) & _ONE:
        _page_fault(mmu, _FAULT_P, kind, user)
        return False
    return True


@inner
def _guest_dimension(
    ram: Ram,
    mmu: State,
    counters: CounterArray,
    va: np.uint64,
    kind: int,
    user: bool,
    ac: bool,
    tag: np.uint64,
) -> int:
    slot = structure_caches.start(mmu, counters, va, kind, user, tag)
    known = slot >= 0
    if known:
        shift = size_shift((mmu[slot] >> SIZE_SHIFT & SIZE_MASK) - _ONE)
        table, guest, rights = mmu[slot + 2] & FRAME, mmu[slot + 3], mmu[slot + 2] & ALL_RIGHTS
    else:
        shift, guest = _ROOT_SHIFT, mmu[Word.CR3] & FRAME
        table, rights = guest, READ | WRITE | USER | EPT_WRITE | EPT_EXECUTE
    while True:
        offset = entry_offset(va, shift)
        if not known:
            if mmu[Word.EPTP]:
                status = translate_guest_physical(
                    ram, mmu, counters, guest + offset, table_access(mmu), NONE
                )
                if status != Status.OK:
                    return status
                table = mmu[Word.EPT_PA] & ~OFFSET
                rights = (rights & ~EPT_WRITE) | (mmu[Word.EPT_RIGHTS] & EPT_WRITE)
            if shift < _ROOT_SHIFT:
                structure_caches.insert(mmu, va, shift + _NINE, tag, table | rights, guest)
        known = False
        entry = read_entry(ram, mmu, table + offset)
        counters[_REFERENCE] += _ONE
        counters[_REFERENCE_L1 + signed(size_code(shift)) * _REFERENCE_STEP] += _ONE
        if not entry & _P:
            return _page_fault(mmu, NONE, kind, user)
        if entry_reserved(mmu, entry, shift):
            return _page_fault(mmu, _FAULT_P | _FAULT_RSVD, kind, user)
        rights = accumulate(rights, entry)
        leaf = shift == _TWELVE or entry & _PS != NONE
        if leaf and not _allowed(mmu, entry, rights, kind, user, ac):
            return Status.PAGE_FAULT
        flags = _A | _D if leaf and kind == Kind.STORE else _A
        if entry & flags != flags:
            status = _set_flags(
                ram, mmu, counters, table + offset, guest + offset, entry | flags, rights
            )
            if status != Status.OK:
                return status
            entry |= flags
        if leaf:
            break
        guest = entry & FRAME
        table = guest
        shift -= _NINE
    if entry & _D:
        rights |= DIRTY
    _stage(mmu, va, tag, rights | EPT_WRITE, entry, shift)
    return Status.OK


@inner
def _final_dimension(ram: Ram, mmu: State, counters: CounterArray, va: np.uint64, kind: int) -> int:
    """Translate the staged guest-physical address, and narrow the staged entry to the EPT page."""
    shift = size_shift(mmu[Word.STAGE] >> SIZE_SHIFT & SIZE_MASK)
    gpa = mmu[Word.STAGE + 3] | (va & ((_ONE << shift) - _ONE))
    status = translate_guest_physical(ram, mmu, counters, gpa, _ONE << U(kind), _TRANSLATION)
    if status != Status.OK:
        return status
    shift = min(shift, mmu[Word.EPT_SHIFT])
    code = size_code(shift)
    ept = mmu[Word.EPT_RIGHTS]
    rights = mmu[Word.STAGE + 2] & ALL_RIGHTS & ~(READ | EPT_WRITE | EPT_EXECUTE)
    rights |= ept & (READ | EPT_WRITE | EPT_EXECUTE)
    if not ept & DIRTY:
        rights &= ~DIRTY
    guest_flags = mmu[Word.STAGE] & (SIZE_MASK << GUEST_SIZE_SHIFT | GLOBAL | VALID)
    mmu[Word.STAGE] = page_of(va & LINEAR, code) | guest_flags | code << SIZE_SHIFT
    key = mmu[Word.STAGE + 2] & KEY
    mmu[Word.STAGE + 2] = page_of(mmu[Word.EPT_PA] & FRAME, code) | rights | key
    mmu[Word.STAGE + 3] = page_of(gpa & FRAME, code)
    return Status.OK


@inner
def walk(
    ram: Ram,
    mmu: State,
    counters: CounterArray,
    va: np.uint64,
    kind: int,
    user: bool,
    ac: bool,
    tag: np.uint64,
) -> int:
    """Walk for one access; returns a Status, with Word.STAGE or the OUT words set."""
    counters[_WALK] += _ONE
    if mmu[Word.CR0] & _PG:
        status = _guest_dimension(ram, mmu, counters, va, kind, user, ac, tag)
    else:
        status = Status.OK
        _stage(
            mmu,
            va,
            tag,
            (ALL_RIGHTS & ~NX & ~USER) | (USER if user else NONE),
            va & LINEAR,
            _THIRTY,
        )
    if status == Status.OK and mmu[Word.EPTP]:
        status = _final_dimension(ram, mmu, counters, va, kind)
    if status == Status.OK:
        counters[_COMPLETED] += _ONE
    elif status == Status.PAGE_FAULT:
        counters[_FAULT] += _ONE
    elif status == Status.EPT_VIOLATION:
        counters[_VIOLATION] += _ONE
    else:
        counters[_MISCONFIGURATION] += _ONE
    return status
