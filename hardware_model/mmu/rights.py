"""Rights of a translation, and what they allow (Intel SDM vol. 3A 4.6, vol. 3C 28.3.3.2)."""

from __future__ import annotations

from enum import IntFlag

import numpy as np

from hardware_model.mmu.paging import KEY_BITS, Cr0, Cr4
from hardware_model.mmu.state import State, Word
from hardware_model.native import inner


class Right(IntFlag):
    """Rights as caches hold them, in the low bits of an entry's frame word."""

    READ = 1  # EPT: readable; without EPT always set
    WRITE = 2  # R/W of every guest entry used
    USER = 4  # U/S of every guest entry used
    NX = 8  # NX of any guest entry used
    DIRTY = 16  # the dirty bits that a store must set are set
    EPT_WRITE = 32
    EPT_EXECUTE = 64


class Prot(IntFlag):
    """What the engine may do with a page; `Prot(1 << kind)` allows accesses of that kind."""

    READ = 1
    WRITE = 2
    EXECUTE = 4


U = np.uint64
READ, WRITE, USER, NX = U(Right.READ), U(Right.WRITE), U(Right.USER), U(Right.NX)
DIRTY, EPT_WRITE, EPT_EXECUTE = U(Right.DIRTY), U(Right.EPT_WRITE), U(Right.EPT_EXECUTE)
ALL_RIGHTS = U(0x7F)
NONE = U(0)

_WP, _SMEP, _SMAP = U(Cr0.WP), U(Cr4.SMEP), U(Cr4.SMAP)
KEY, _PKS = U(KEY_BITS), U(Cr4.PKS)
_KEY_SHIFT, _ONE, _TWO = U(59), U(1), U(2)
_MAY_READ, _MAY_WRITE, _MAY_EXECUTE = U(Prot.READ), U(Prot.WRITE), U(Prot.EXECUTE)


@inner
def guest_prot(mmu: State, rights: np.uint64, user: bool, ac: bool) -> np.uint64:
    """Prot bits that U/S, R/W and NX allow, with CR0.WP, CR4.SMEP, CR4.SMAP and EFLAGS.AC."""
    prot = _MAY_READ
    if rights & WRITE or (not user and not mmu[Word.CR0] & _WP):
        prot |= _MAY_WRITE
    if not rights & NX:
        prot |= _MAY_EXECUTE
    if user:
        return prot if rights & USER else NONE
    if rights & USER:
        if mmu[Word.CR4] & _SMAP and not ac:
            prot &= _MAY_EXECUTE
        if mmu[Word.CR4] & _SMEP:
            prot &= ~_MAY_EXECUTE
    return prot


@inner
def key_prot(mmu: State, entry: np.uint64, rights: np.uint64) -> np.uint64:
    """Prot bits that a supervisor page's protection key, bits 62:59 of `entry`, allows with CR4.PKS
    (SDM vol. 3A 4.6.2). Keys do not govern fetches.
    """
    prot = _MAY_READ | _MAY_WRITE | _MAY_EXECUTE
    if rights & USER or not mmu[Word.CR4] & _PKS:
        return prot
    denied = mmu[Word.PKRS] >> ((entry & KEY) >> _KEY_SHIFT << _ONE)
    if denied & _ONE:
        return _MAY_EXECUTE
    if denied & _TWO and mmu[Word.CR0] & _WP:
        return prot & ~_MAY_WRITE
    return prot


@inner
def page_prot(mmu: State, rights: np.uint64, user: bool, ac: bool) -> np.uint64:
    """Prot bits of both dimensions; writing only where no dirty bit is left to set."""
    prot = guest_prot(mmu, rights, user, ac)
    if not rights & READ:
        prot &= ~_MAY_READ
    if not (rights & EPT_WRITE and rights & DIRTY):
        prot &= ~_MAY_WRITE
    if not rights & EPT_EXECUTE:
        prot &= ~_MAY_EXECUTE
    return prot
