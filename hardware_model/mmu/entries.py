"""Reading and writing of table entries in machine memory by walks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hardware_model.mmu.paging import FRAME_BITS
from hardware_model.mmu.state import State, Word
from hardware_model.native import inner

Ram = npt.NDArray[np.uint64]

U = np.uint64
ABSENT_MEMORY = U(0xFFFF_FFFF_FFFF_FFFF)
_INDEX, _THREE = U(511 << 3), U(3)
_ONE, _FRAME = U(1), U(FRAME_BITS)


@inner
def entry_offset(address: np.uint64, shift: np.uint64) -> np.uint64:
    """Offset in its table of the entry that covers 2^`shift` bytes around `address`."""
    return U(address >> (shift - _THREE) & _INDEX)


@inner
def read_entry(ram: Ram, mmu: State, address: np.uint64) -> np.uint64:
    """The entry at machine address `address`; all ones where there is no memory."""
    if address >= mmu[Word.RAM_BYTES]:
        return ABSENT_MEMORY
    return U(ram[address >> _THREE])


@inner
def write_entry(ram: Ram, mmu: State, address: np.uint64, entry: np.uint64) -> None:
    """Set the entry at machine address `address`; nothing happens where there is no memory."""
    if address < mmu[Word.RAM_BYTES]:
        ram[address >> _THREE] = entry


@inner
def address_bits_reserved(mmu: State) -> np.uint64:
    """Bits 51:MAXPHYADDR, which are reserved in every entry of either dimension."""
    return U(_FRAME & ~((_ONE << mmu[Word.MAXPHYADDR]) - _ONE))


@inner
def join(entry: np.uint64, address: np.uint64, shift: np.uint64) -> np.uint64:
    """The address that leaf `entry`, which covers 2^`shift` bytes, gives `address`."""
    inside = (_ONE << shift) - _ONE
    return U(entry & _FRAME & ~inside | address & inside)
