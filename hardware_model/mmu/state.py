"""The flat array that is the whole state of the unit: header words, descriptors, entries.

A descriptor (4 words) tells where an array of entries lies, so that the geometry is never compiled
in: word of its first entry | sets - 1 | ways (0 = no such array) | word of its first replacement
pointer, of which there is one per set.

An entry is 4 words (`tlb` explains them). Entries of the first-level TLBs lie first, then those of
the second level, of the paging-structure caches and of the nested TLB; Word.FIRST_LEVEL ...
Word.END bound these regions.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from hardware_model.mmu.geometry import PAGE_SIZES, STRUCTURE_CACHES, TlbGeometry

State = npt.NDArray[np.uint64]


class Status(IntEnum):
    """What a translation came to."""

    OK = 0
    PAGE_FAULT = 1
    EPT_VIOLATION = 2
    EPT_MISCONFIGURATION = 3


class Kind(IntEnum):
    """What a memory access does."""

    LOAD = 0
    STORE = 1
    FETCH = 2


class Word(IntEnum):
    """Header words. The caller keeps the registers current; the unit writes the OUT words."""

    CR0 = 0
    CR3 = 1
    CR4 = 2
    EFER = 3
    EPTP = 4  # 0: one-dimensional translation
    VPID = 5  # 0: native, or a VMM without VPIDs
    MAXPHYADDR = 6  # width of physical addresses in bits
    RAM_BYTES = 7  # table reads at or above this address return all ones
    LIMITS = 8  # features that this processor lacks, see Limit
    PKRS = 9  # IA32_PKRS: for protection key k, bits 2k (no access) and 2k + 1 (no store)

    OUT_PA = 16  # machine physical address of the linear address
    OUT_GPA = 17  # guest-physical address of the linear address, or of an EPT violation
    OUT_SHIFT = 18  # log2 of the page size for which the first-level entry is valid
    OUT_PROT = 19  # Prot bits the engine may cache for this privilege and this kind of access
    OUT_RIGHTS = 20  # Prot bits of the page for this privilege, whatever the kind of access
    OUT_ERROR = 21  # page-fault error code
    OUT_QUALIFICATION = 22  # exit qualification of an EPT violation
    OUT_FLUSH_ALL = 23  # 1: the engine must drop every translation
    OUT_EVICT_COUNT = 24  # first-level entries dropped by this operation, up to EVICTIONS
    OUT_EVICT = 32  # pairs of page address and shift

    EPT_PA = 96  # result of the EPT dimension: machine address ...
    EPT_SHIFT = 97  # ... size of the EPT page ...
    EPT_RIGHTS = 98  # ... and Right bits
    STAGE = 100  # the entry about to be filled in, 4 words
    FRACTURED = 104  # 1: an entry may exist that is smaller than the guest's page

    FIRST_LEVEL = 112
    SECOND_LEVEL = 113
    STRUCTURE = 114
    NESTED = 115
    END = 116
    OCCUPIED = 117  # per region, a bit per group of entries: 0 when the group is known to be empty
    GROUP_SHIFT = 121  # per region, log2 of the words in a group
    TLB_DESCRIPTORS = (
        128  # L1I, L1D, L2 for fetches, L2 for data; each for 4 KiB, 2 MiB, 1 GiB pages
    )
    STRUCTURE_DESCRIPTORS = 176  # PDE, PDPTE, PML4E cache
    NESTED_DESCRIPTOR = 188
    BODY = 192


EVICTIONS = 16
"""Pairs that the eviction list holds; an operation that drops more sets OUT_FLUSH_ALL."""

DESCRIPTOR_WORDS = 4
ENTRY_WORDS = 4


class Limit(IntEnum):
    """Bits of Word.LIMITS."""

    NO_1G_PAGES = 1  # CPUID.80000001H:EDX.Page1GB = 0: PS is reserved in a PDPTE
    NO_EPT_EXECUTE_ONLY = 2  # IA32_VMX_EPT_VPID_CAP bit 0 = 0
    NO_EPT_2M_PAGES = 4  # IA32_VMX_EPT_VPID_CAP bit 16 = 0
    NO_EPT_1G_PAGES = 8  # IA32_VMX_EPT_VPID_CAP bit 17 = 0


class Array(IntEnum):
    """Index of a TLB's first descriptor, in descriptors from Word.TLB_DESCRIPTORS."""

    L1I = 0
    L1D = 3
    L2_FETCH = 6
    L2_DATA = 9


GROUPS = 64
"""Groups that a region's entries fall into, so that a flush of an almost empty TLB is short."""

_REGIONS = (Word.FIRST_LEVEL, Word.SECOND_LEVEL, Word.STRUCTURE, Word.NESTED, Word.END)


class _Layout:
    """Places arrays of entries one after another, and their replacement pointers behind them."""

    def __init__(self) -> None:
        self.next = int(Word.BODY)
        self.placed: list[tuple[list[int], int, int, int]] = []

    def place(self, descriptors: list[int], sets: int, ways: int) -> None:
        self.placed.append((descriptors, self.next, sets, ways))
        self.next += sets * ways * ENTRY_WORDS

    def build(self, bounds: dict[Word, int]) -> State:
        state = np.zeros(self.next + sum(sets for _, _, sets, _ in self.placed), np.uint64)
        pointers = self.next
        for descriptors, first, sets, ways in self.placed:
            for descriptor in descriptors:
                words = (first, sets - 1, ways, pointers)
                state[descriptor : descriptor + DESCRIPTOR_WORDS] = words
            pointers += sets
        for word, value in bounds.items():
            state[word] = value
        return state


def new(geometry: TlbGeometry) -> State:
    """A state with empty caches of `geometry`; registers are zero but for MAXPHYADDR = 40."""
    layout = _Layout()
    bounds = {Word.FIRST_LEVEL: layout.next}
    _place_tlb(layout, geometry, "l1i", [Array.L1I])
    _place_tlb(layout, geometry, "l1d", [Array.L1D])
    bounds[Word.SECOND_LEVEL] = layout.next
    _place_tlb(
        layout, geometry, "l2", [Array.L2_DATA, *([Array.L2_FETCH] if geometry.l2_fetch else [])]
    )
    bounds[Word.STRUCTURE] = layout.next
    for position, cache in enumerate(reversed(STRUCTURE_CACHES)):
        if entries := getattr(geometry, cache):
            layout.place([Word.STRUCTURE_DESCRIPTORS + DESCRIPTOR_WORDS * position], 1, entries)
    bounds[Word.NESTED] = layout.next
    if geometry.nested:
        layout.place([int(Word.NESTED_DESCRIPTOR)], 1, geometry.nested)
    bounds[Word.END] = layout.next
    state = layout.build(bounds)
    state[Word.MAXPHYADDR] = 40
    for region in range(len(_REGIONS) - 1):
        words = int(state[_REGIONS[region + 1]] - state[_REGIONS[region]])
        state[Word.GROUP_SHIFT + region] = max((words // GROUPS).bit_length(), 2)
    return state


def _place_tlb(layout: _Layout, geometry: TlbGeometry, level: str, arrays: list[Array]) -> None:
    for array in getattr(geometry, level):
        descriptors = [
            Word.TLB_DESCRIPTORS + DESCRIPTOR_WORDS * (first + PAGE_SIZES.index(size))
            for first in arrays
            for size in array.sizes
        ]
        layout.place(descriptors, array.sets, array.ways)
