"""The decisions that native code takes at every candidate exit: bitmaps, and CR masks and shadows.

Compiled functions over machine memory as uint64 words; addresses are physical and page aligned, as
the VM-entry checks require. Python code can call them as well.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from hardware_model.native import native

Words = npt.NDArray[np.uint64]
Bits = int | np.int64 | np.uint64
"""An address or a number below 2**63: Python's integer, or native code's."""
Register = np.uint64
"""A 64-bit register value; Python's integers of 2**63 and above cannot be passed to native code."""

_PORTS: Final = 1 << 16
_PORTS_PER_BITMAP: Final = 1 << 15
_PAGE_FAULT: Final = 14

_LOW_MSRS: Final = 0x2000
_HIGH_MSRS: Final = 0xC000_0000
_HIGH_MSR_BITMAP: Final = 1024
_WRITE_BITMAPS: Final = 2048


@native
def _bit(words: Words, address: Bits, bit: Bits) -> bool:
    """Bit `bit` of the bit string that begins at a physical address."""
    word = words[(np.int64(address) >> 3) + (np.int64(bit) >> 6)]
    return bool((word >> np.uint64(np.int64(bit) & 63)) & np.uint64(1))


@native
def io_exits(words: Words, bitmap_a: Bits, bitmap_b: Bits, port: Bits, size: Bits) -> bool:
    """Whether an access of `size` bytes at `port` exits under use I/O bitmaps (SDM vol. 3C 25.1.3).

    `bitmap_a` and `bitmap_b` are the physical addresses of the I/O bitmaps. An access exits if the
    bit of any port it touches is 1, or if it wraps around the end of the port space.
    """
    first, end = np.int64(port), np.int64(port) + np.int64(size)
    if end > _PORTS:
        return True
    for touched in range(first, end):
        bitmap = bitmap_a if touched < _PORTS_PER_BITMAP else bitmap_b
        if _bit(words, bitmap, touched & (_PORTS_PER_BITMAP - 1)):
            return True
    return False


@native
def msr_exits(words: Words, bitmaps: Bits, msr: Bits, write: bool) -> bool:
    """Whether RDMSR or WRMSR of `msr` exits under use MSR bitmaps (SDM vol. 3C 24.6.9, 25.1.3).

    `bitmaps` is the physical address of the four 1-KByte bitmaps: reads of 0-1FFFH, reads of
    C0000000H-C0001FFFH, then the same for writes. Other MSRs always exit.
    """
    base, number = np.int64(bitmaps) + (_WRITE_BITMAPS if write else 0), np.int64(msr)
    if 0 <= number < _LOW_MSRS:
        return _bit(words, base, number)
    if _HIGH_MSRS <= number < _HIGH_MSRS + _LOW_MSRS:
        return _bit(words, base + _HIGH_MSR_BITMAP, number - _HIGH_MSRS)
    return True


@native
def exception_exits(
    bitmap: Bits, pfec_mask: Bits, pfec_match: Bits, vector: Bits, error_code: Bits
) -> bool:
    """Whether an exception exits under the exception bitmap (SDM vol. 3C 24.6.3, 25.2).

    For a page fault the bitmap's bit 14 is inverted if `error_code & pfec_mask != pfec_match`. Not
    for NMIs, which the NMI-exiting control governs.
    """
    selected = np.int64(bitmap) >> np.int64(vector) & 1 != 0
    compared = np.int64(error_code) & np.int64(pfec_mask)
    inverted = np.int64(vector) == _PAGE_FAULT and compared != np.int64(pfec_match)
    return bool(selected != inverted)


@native
def cr_read(value: Register, mask: Register, shadow: Register) -> Register:
    """What the guest reads from CR0 or CR4: the shadow where the mask is 1 (SDM vol. 3C 25.3)."""
    real, owned, read = np.uint64(value), np.uint64(mask), np.uint64(shadow)
    return (real & ~owned) | (read & owned)


@native
def cr_write_exits(new: Register, mask: Register, shadow: Register) -> bool:
    """Whether MOV to CR0 or CR4 exits: it changes a masked bit as the guest sees it (25.1.3)."""
    return bool((np.uint64(new) ^ np.uint64(shadow)) & np.uint64(mask))


def cr_written(old: int, new: int, mask: int) -> int:
    """CR0 or CR4 after a MOV that does not exit: masked bits keep their value (25.3).

    Not compiled: loading a control register takes Python code in any case.
    """
    return old & mask | new & ~mask


@native
def clts_exits(mask: Register, shadow: Register) -> bool:
    """Whether CLTS exits: CR0.TS is masked and the guest sees it as 1 (25.1.3)."""
    return bool(np.uint64(mask) & np.uint64(shadow) & np.uint64(8))


@native
def lmsw_exits(source: Register, mask: Register, shadow: Register) -> bool:
    """Whether LMSW exits: it would change a masked bit 3:0, but LMSW never clears PE (25.1.3)."""
    wanted, owned, seen = np.uint64(source), np.uint64(mask), np.uint64(shadow)
    sets_pe = wanted & ~seen & owned & np.uint64(1)
    changes = (wanted ^ seen) & owned & np.uint64(0xE)
    return bool(sets_pe | changes)


@native
def cr3_write_exits(new: Register, targets: Words, count: int) -> bool:
    """Whether MOV to CR3 exits under CR3-load exiting: the value is no CR3 target (24.6.7).

    `targets` holds the CR3-target values, of which the first `count` are in use.
    """
    is_target = False
    for target in targets[:count]:
        is_target |= np.uint64(new) == target
    return not is_target
