"""Arrays of cached translations, alike for all caches: find, replace (first in, first out), report.

    word 0  page address (51:12), guest page size (5:4), own size (3:2), global (1), valid (0)
    word 1  tag: EPT root bits 47:12 (63:28), VPID (27:12), PCID (11:0)
    word 2  protection key (62:59), machine frame (51:12) and Right bits (6:0)
    word 3  guest-physical frame

A page size is coded as (shift - 12) / 9: 0 = 4 KiB, 1 = 2 MiB, 2 = 1 GiB, 3 = 512 GiB (PML4E cache
only). Replacement is first in, first out because hits never reach the model (the engine serves them
itself); an entry that was dropped leaves a hole, which is filled first. EPT roots lie below 2^48
and not at address 0.
"""

from __future__ import annotations

import numpy as np

from hardware_model.mmu.paging import FRAME_BITS, Cr4
from hardware_model.mmu.state import DESCRIPTOR_WORDS, ENTRY_WORDS, EVICTIONS, State, Word
from hardware_model.native import inner

U = np.uint64
VALID, GLOBAL = U(1), U(2)
SIZE_SHIFT, GUEST_SIZE_SHIFT, SIZE_MASK = U(2), U(4), U(3)
PCID_MASK, VPID_MASK, ROOT_MASK = U(0xFFF), U(0xFFFF << 12), U(0xFFFFFFFFF << 28)
FRAME, OFFSET = U(FRAME_BITS), U(0xFFF)
LINEAR = U(0x0000_FFFF_FFFF_F000)
NONE, ONE = U(0), U(1)

_MATCH = ~(GLOBAL | SIZE_MASK << GUEST_SIZE_SHIFT)
_PCIDE = U(Cr4.PCIDE)
_SIGN, _HIGH = U(1 << 47), U(0xFFFF << 48)
_NINE, _TWELVE, _SIXTEEN = U(9), U(12), U(16)


@inner
def signed(word: np.uint64) -> int:
    """`word`, which is small, as a signed integer: mixed with one, it would become a float."""
    return int(np.int64(word))


@inner
def current_tag(mmu: State) -> np.uint64:
    """The tag of translations cached now: PCID when CR4.PCIDE is set, VPID, EPT root."""
    root = (mmu[Word.EPTP] & LINEAR) << _SIXTEEN
    pcid = mmu[Word.CR3] & PCID_MASK if mmu[Word.CR4] & _PCIDE else NONE
    return U(root | (mmu[Word.VPID] << _TWELVE & VPID_MASK) | pcid)


@inner
def size_code(shift: np.uint64) -> np.uint64:
    """The code of a page of 2^`shift` bytes."""
    return (shift - _TWELVE) // _NINE


@inner
def size_shift(code: np.uint64) -> np.uint64:
    """log2 of the page size with `code`."""
    return code * _NINE + _TWELVE


@inner
def page_of(address: np.uint64, code: np.uint64) -> np.uint64:
    """Address of the page of size `code` that contains `address`."""
    shift = size_shift(code)
    return address >> shift << shift


@inner
def first_way(mmu: State, descriptor: int, address: np.uint64, code: np.uint64) -> int:
    """Word of the first entry of the set that a page of size `code` at `address` belongs to."""
    chosen = signed(address >> size_shift(code) & mmu[descriptor + 1])
    return signed(mmu[descriptor]) + chosen * signed(mmu[descriptor + 2]) * ENTRY_WORDS


@inner
def find(mmu: State, descriptor: int, address: np.uint64, code: np.uint64, tag: np.uint64) -> int:
    """Word of the entry for the page of size `code` at `address`, or -1; globals match any PCID."""
    key = page_of(address, code) | code << SIZE_SHIFT | VALID
    slot = first_way(mmu, descriptor, address, code)
    for _ in range(signed(mmu[descriptor + 2])):
        if (mmu[slot] ^ key) & _MATCH == NONE:
            differs = mmu[slot + 1] ^ tag
            if differs == NONE or (mmu[slot] & GLOBAL and differs & ~PCID_MASK == NONE):
                return slot
        slot += ENTRY_WORDS
    return -1


@inner
def find_page(mmu: State, array: int, address: np.uint64, tag: np.uint64) -> int:
    """Word of the entry of TLB `array` that translates linear address `address`, or -1."""
    descriptor = Word.TLB_DESCRIPTORS + DESCRIPTOR_WORDS * array
    linear = address & LINEAR
    for size in range(3):
        slot = find(mmu, descriptor, linear, U(size), tag)
        if slot >= 0:
            return slot
        descriptor += DESCRIPTOR_WORDS
    return -1


@inner
def claim(mmu: State, descriptor: int, address: np.uint64, code: np.uint64) -> int:
    """Word of the entry to replace in that set; the group it belongs to is occupied from now on."""
    slot = _victim(mmu, descriptor, address, code)
    region = 0
    while U(slot) >= mmu[Word.FIRST_LEVEL + region + 1]:
        region += 1
    group = (U(slot) - mmu[Word.FIRST_LEVEL + region]) >> mmu[Word.GROUP_SHIFT + region]
    mmu[Word.OCCUPIED + region] |= ONE << group
    return slot


@inner
def _victim(mmu: State, descriptor: int, address: np.uint64, code: np.uint64) -> int:
    """Word of the entry to replace in that set: a hole if there is one, else the oldest."""
    first = first_way(mmu, descriptor, address, code)
    ways = signed(mmu[descriptor + 2])
    for way in range(ways):
        if not mmu[first + way * ENTRY_WORDS] & VALID:
            return first + way * ENTRY_WORDS
    pointer = signed(mmu[descriptor + 3]) + signed(
        address >> size_shift(code) & mmu[descriptor + 1]
    )
    way = signed(mmu[pointer])
    mmu[pointer] = U(way + 1) if way + 1 < ways else NONE
    return first + way * ENTRY_WORDS


@inner
def clear_outputs(mmu: State) -> None:
    """Begin an operation: nothing evicted yet."""
    mmu[Word.OUT_EVICT_COUNT] = NONE
    mmu[Word.OUT_FLUSH_ALL] = NONE


@inner
def report_dropped(mmu: State, slot: int) -> None:
    """Put a first-level entry on the eviction list, for the engine to drop its page."""
    count = signed(mmu[Word.OUT_EVICT_COUNT])
    if count == EVICTIONS:
        mmu[Word.OUT_FLUSH_ALL] = ONE
        return
    page = mmu[slot] & LINEAR
    if page & _SIGN:
        page |= _HIGH
    mmu[Word.OUT_EVICT + 2 * count] = page
    mmu[Word.OUT_EVICT + 2 * count + 1] = size_shift(mmu[slot] >> SIZE_SHIFT & SIZE_MASK)
    mmu[Word.OUT_EVICT_COUNT] = U(count + 1)
