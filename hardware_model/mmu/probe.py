"""A walk without side effects (TLB, accessed and dirty flags, counters), for emulators."""

from __future__ import annotations

import numpy as np

from hardware_model.mmu.entries import Ram, entry_offset, join, read_entry
from hardware_model.mmu.ept import EptEntry
from hardware_model.mmu.nested import ept_misconfigured
from hardware_model.mmu.paging import Cr0, Entry
from hardware_model.mmu.state import State, Status, Word
from hardware_model.mmu.tlb import FRAME, NONE
from hardware_model.mmu.walker import entry_reserved
from hardware_model.native import native

U = np.uint64
_PG, _P, _PS = U(Cr0.PG), U(Entry.P), U(Entry.PS)
_EPT_PRESENT, _EPT_PS = U(7), U(EptEntry.PS)
# As integers: numba does not let an enumeration stand in a tuple.
_OK, _PAGE_FAULT = int(Status.OK), int(Status.PAGE_FAULT)
_VIOLATION = int(Status.EPT_VIOLATION)
_MISCONFIGURATION = int(Status.EPT_MISCONFIGURATION)
_NINE, _TWELVE, _ROOT_SHIFT = U(9), U(12), U(39)


@native
def probe_guest_physical(ram: Ram, mmu: State, gpa: np.uint64) -> tuple[int, np.uint64]:
    """Status and machine address of guest-physical `gpa`; `gpa` itself when there is no EPT."""
    if mmu[Word.EPTP] == NONE:
        return _OK, gpa
    shift, table = _ROOT_SHIFT, mmu[Word.EPTP] & FRAME
    while True:
        entry = read_entry(ram, mmu, table + entry_offset(gpa, shift))
        if not entry & _EPT_PRESENT:
            return _VIOLATION, gpa
        if ept_misconfigured(mmu, entry, shift):
            return _MISCONFIGURATION, gpa
        if shift == _TWELVE or entry & _EPT_PS:
            return _OK, join(entry, gpa, shift)
        table = entry & FRAME
        shift -= _NINE


@native
def probe(ram: Ram, mmu: State, va: np.uint64) -> tuple[int, np.uint64]:
    """Status and machine address of linear address `va`, whatever the access rights.

    With a status other than OK the address is the guest-physical one that has no translation, or
    `va` for a PAGE_FAULT (not present, or a reserved bit).
    """
    if not mmu[Word.CR0] & _PG:
        return probe_guest_physical(ram, mmu, va)
    shift, guest = _ROOT_SHIFT, mmu[Word.CR3] & FRAME
    while True:
        status, address = probe_guest_physical(ram, mmu, guest + entry_offset(va, shift))
        if status != Status.OK:
            return status, address
        entry = read_entry(ram, mmu, address)
        if not entry & _P or entry_reserved(mmu, entry, shift):
            return _PAGE_FAULT, va
        if shift == _TWELVE or entry & _PS:
            return probe_guest_physical(ram, mmu, join(entry, va, shift))
        guest = entry & FRAME
        shift -= _NINE
