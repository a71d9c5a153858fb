"""The EPT dimension: guest-physical to machine addresses (Intel SDM vol. 3C section 28.3).

Accesses are given as the low three bits of the exit qualification: 1 read, 2 write, 4 fetch. An
access to a guest paging structure is a read, and a read and a write (3) when EPT's own accessed and
dirty flags are enabled or when it sets a flag in the guest's entry. Permissions are checked once
the walk has reached a leaf, over all entries used; a misconfigured entry is found when it is
reached (section 28.3.3.3). Accessed flags are set as the walk proceeds, those of the leaf when the
access is allowed.
"""

from __future__ import annotations

import numpy as np

from hardware_model import counters as declared
from hardware_model.counters import CounterArray
from hardware_model.mmu.entries import (
    Ram,
    address_bits_reserved,
    entry_offset,
    read_entry,
    write_entry,
)
from hardware_model.mmu.ept import EptEntry, Eptp, EptViolation
from hardware_model.mmu.rights import DIRTY, EPT_EXECUTE, EPT_WRITE, READ
from hardware_model.mmu.state import ENTRY_WORDS, Limit, State, Status, Word
from hardware_model.mmu.tlb import (
    FRAME,
    LINEAR,
    NONE,
    ROOT_MASK,
    SIZE_MASK,
    SIZE_SHIFT,
    VALID,
    claim,
    page_of,
    signed,
    size_code,
    size_shift,
)
from hardware_model.native import inner

U = np.uint64
ACCESS_READ, ACCESS_WRITE, ACCESS_UPDATE = U(1), U(2), U(3)

_RWX, _W, _X = U(7), U(EptEntry.W), U(EptEntry.X)
_PS, _A, _D = U(EptEntry.PS), U(EptEntry.A), U(EptEntry.D)
_AD_ENABLED = U(Eptp.ACCESSED_DIRTY)
_LINEAR_VALID = U(EptViolation.LINEAR_VALID)
_THREE, _NINE, _TWELVE, _SIXTEEN, _THIRTY, _ROOT_SHIFT = U(3), U(9), U(12), U(16), U(30), U(39)
_ONE, _TWO, _SIX, _SEVEN = U(1), U(2), U(6), U(7)
_TYPE_BITS, _NON_LEAF_RESERVED = U(7 << 3), U(0xF << 3)

_REFERENCE = declared.index("walk.reference")
_REFERENCE_L1 = declared.index("walk.reference.ept.l1")
_REFERENCE_STEP = declared.index("walk.reference.ept.l2") - _REFERENCE_L1
_NESTED_HIT = declared.index("psc.ept.hit")
_AD_UPDATE = declared.index("walk.ad_update")


@inner
def ept_misconfigured(mmu: State, entry: np.uint64, shift: np.uint64) -> bool:
    """Whether a present entry of 2^`shift` bytes is misconfigured (SDM vol. 3C 28.3.3.1)."""
    rwx = entry & _RWX
    if rwx in (_TWO, _SIX):
        return True
    if rwx == _X and mmu[Word.LIMITS] & U(Limit.NO_EPT_EXECUTE_ONLY):
        return True
    if entry & address_bits_reserved(mmu):
        return True
    if shift > _TWELVE and not entry & _PS:
        return bool(entry & _NON_LEAF_RESERVED)
    if shift > _THIRTY:
        return True
    if shift == _THIRTY and mmu[Word.LIMITS] & U(Limit.NO_EPT_1G_PAGES):
        return True
    if shift > _TWELVE and shift < _THIRTY and mmu[Word.LIMITS] & U(Limit.NO_EPT_2M_PAGES):
        return True
    memory_type = (entry & _TYPE_BITS) >> _THREE
    if memory_type in (_TWO, _THREE, _SEVEN):
        return True
    return bool(entry & FRAME & ((_ONE << shift) - _ONE))


@inner
def _find(mmu: State, gpa: np.uint64, tag: np.uint64) -> int:
    slot = signed(mmu[Word.NESTED_DESCRIPTOR])
    for _ in range(signed(mmu[Word.NESTED_DESCRIPTOR + 2])):
        entry = mmu[slot]
        differs = (entry ^ gpa) >> size_shift(entry >> SIZE_SHIFT & SIZE_MASK)
        if entry & VALID and mmu[slot + 1] == tag and differs == NONE:
            return slot
        slot += ENTRY_WORDS
    return -1


@inner
def _root_tag(mmu: State) -> np.uint64:
    return U((mmu[Word.EPTP] & LINEAR) << _SIXTEEN & ROOT_MASK)


@inner
def drop_nested(mmu: State, gpa: np.uint64) -> None:
    """Drop the cached translations of `gpa`, as an EPT violation does (vol. 3C 28.4.3.1)."""
    slot = _find(mmu, gpa, _root_tag(mmu))
    while slot >= 0:
        mmu[slot] = NONE
        slot = _find(mmu, gpa, _root_tag(mmu))


@inner
def _set_result(mmu: State, gpa: np.uint64, shift: np.uint64, target: np.uint64) -> None:
    inside = (_ONE << shift) - _ONE
    mmu[Word.EPT_PA] = (target & FRAME & ~inside) | (gpa & inside)
    mmu[Word.EPT_SHIFT] = shift
    mmu[Word.EPT_RIGHTS] = target & ~FRAME


@inner
def _cache(mmu: State, gpa: np.uint64, shift: np.uint64, target: np.uint64) -> None:
    if mmu[Word.NESTED_DESCRIPTOR + 2] == NONE:
        return
    code = size_code(shift)
    slot = claim(mmu, Word.NESTED_DESCRIPTOR, gpa, code)
    mmu[slot] = page_of(gpa, code) | code << SIZE_SHIFT | VALID
    mmu[slot + 1] = _root_tag(mmu)
    mmu[slot + 2] = target


@inner
def _rights(permission: np.uint64, dirty_known: bool) -> np.uint64:
    rights = NONE
    if permission & ACCESS_READ:
        rights |= READ
    if permission & _W:
        rights |= EPT_WRITE
    if permission & _X:
        rights |= EPT_EXECUTE
    if dirty_known:
        rights |= DIRTY
    return rights


@inner
def _allowed(rights: np.uint64, access: np.uint64) -> bool:
    if access & ACCESS_READ and not rights & READ:
        return False
    if access & ACCESS_WRITE and not (rights & EPT_WRITE and rights & DIRTY):
        return False
    return not access & _X or rights & EPT_EXECUTE != NONE


@inner
def table_access(mmu: State) -> np.uint64:
    """The access that reading a guest paging structure is."""
    return ACCESS_UPDATE if mmu[Word.EPTP] & _AD_ENABLED else ACCESS_READ


@inner
def translate_guest_physical(
    ram: Ram,
    mmu: State,
    counters: CounterArray,
    gpa: np.uint64,
    access: np.uint64,
    final: np.uint64,
) -> int:
    """Translate `gpa` into Word.EPT_PA, EPT_SHIFT, EPT_RIGHTS; or set OUT_GPA, OUT_QUALIFICATION.

    `final` is EptViolation.TRANSLATION when `gpa` is the translation of the linear address, else 0.
    """
    slot = _find(mmu, gpa, _root_tag(mmu))
    if slot >= 0:
        if _allowed(mmu[slot + 2], access):
            counters[_NESTED_HIT] += _ONE
            _set_result(mmu, gpa, size_shift(mmu[slot] >> SIZE_SHIFT & SIZE_MASK), mmu[slot + 2])
            return Status.OK
        mmu[slot] = NONE
    return _walk(ram, mmu, counters, gpa, access, final)


@inner
def _violation(
    mmu: State, gpa: np.uint64, access: np.uint64, permission: np.uint64, final: np.uint64
) -> int:
    mmu[Word.OUT_GPA] = gpa
    mmu[Word.OUT_QUALIFICATION] = access | permission << _THREE | _LINEAR_VALID | final
    return Status.EPT_VIOLATION


@inner
def _walk(
    ram: Ram,
    mmu: State,
    counters: CounterArray,
    gpa: np.uint64,
    access: np.uint64,
    final: np.uint64,
) -> int:
    shift, table, permission = _ROOT_SHIFT, mmu[Word.EPTP] & FRAME, _RWX
    flags_enabled = mmu[Word.EPTP] & _AD_ENABLED != NONE
    while True:
        address = table + entry_offset(gpa, shift)
        entry = read_entry(ram, mmu, address)
        counters[_REFERENCE] += _ONE
        counters[_REFERENCE_L1 + signed(size_code(shift)) * _REFERENCE_STEP] += _ONE
        if not entry & _RWX:
            return _violation(mmu, gpa, access, NONE, final)
        if ept_misconfigured(mmu, entry, shift):
            mmu[Word.OUT_GPA] = gpa
            return Status.EPT_MISCONFIGURATION
        permission &= entry
        leaf = shift == _TWELVE or entry & _PS != NONE
        if leaf and permission & access != access:
            return _violation(mmu, gpa, access, permission, final)
        flags = NONE
        if flags_enabled:
            flags = _A | _D if leaf and access & ACCESS_WRITE else _A
        if entry & flags != flags:
            write_entry(ram, mmu, address, entry | flags)
            counters[_AD_UPDATE] += _ONE
        if leaf:
            break
        table = entry & FRAME
        shift -= _NINE
    dirty_known = not flags_enabled or (entry | flags) & _D != NONE
    target = (entry & FRAME) | _rights(permission, dirty_known)
    _cache(mmu, gpa, shift, target)
    _set_result(mmu, gpa, shift, target)
    return Status.OK
