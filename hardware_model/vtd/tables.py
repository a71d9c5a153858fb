"""Root, context and second-level entries: formats and how the unit reads them (VT-d specification 9.1, 9.3, 9.8).

root entry, 16 bytes, index: bus          63             12 11       1 0
                                         | context table    | reserved |P|     bits 127:64 reserved

context entry, 16 bytes, index: device and function
     127    88 87    72 71 70  67 66 64   63                12 11  4 3  2  1   0
    | reserved |  DID   |r | ign |  AW  | second-level table   | res | TT | FPD | P |
     AW  1: 39-bit, 3 levels   2: 48-bit, 4 levels     TT  0: through tables   2: pass-through

second-level entry, 8 bytes               63 62  52 51 H H-1      12 11  10 8  7   6 2  1 0
                                         |ign| ign  |res | frame    | SNP| ign |PS | ign |W|R|
     H: the host's address width. SNP is reserved: the unit has no snoop control (ECAP.SC = 0).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from hardware_model.vtd.fault_reasons import FaultReason, RemappingFault

PRESENT = 1
FAULT_DISABLE = 1 << 1
READ, WRITE = 1 << 0, 1 << 1
READ_WRITE = READ | WRITE
LARGE = 1 << 7
HOST_ADDRESS_WIDTH = 46
PAGE = 4096
ENTRY_BYTES = 16
FRAME = (1 << HOST_ADDRESS_WIDTH) - PAGE
_BEYOND_HOST = (1 << 52) - (1 << HOST_ADDRESS_WIDTH)
_ROOT_RESERVED = 0xFFE | (1 << 64) - (1 << HOST_ADDRESS_WIDTH)
_CONTEXT_RESERVED = 0xFF0 | (1 << 64) - (1 << HOST_ADDRESS_WIDTH)
_CONTEXT_RESERVED_HIGH = 1 << 7 | (1 << 64) - (1 << 24)
_ENTRY_RESERVED = _BEYOND_HOST | 1 << 11 | 1 << 62
_LARGE_LEVELS = (2, 3)


class TranslationType(IntEnum):
    """TT of a context entry."""

    TRANSLATED = 0
    DEVICE_TLB = 1
    PASS_THROUGH = 2


class AddressWidth(IntEnum):
    """AW of a context entry; `levels` of tables, `bits` of address."""

    THREE_LEVEL = 1
    FOUR_LEVEL = 2

    @property
    def levels(self) -> int:
        """Levels of tables."""
        return int(self) + 2

    @property
    def bits(self) -> int:
        """Width of the addresses that the tables translate."""
        return 12 + 9 * self.levels


class Memory(Protocol):
    """Machine memory as the unit reads its tables."""

    size: int

    def read64(self, address: int) -> int:
        """The aligned 64-bit word at `address`."""


@dataclass(frozen=True, slots=True)
class Context:
    """A valid context entry: what the context cache holds."""

    domain: int
    type: TranslationType
    width: AddressWidth
    tables: int
    fault_disable: bool


@dataclass(frozen=True, slots=True)
class Leaf:
    """A translation: `frame` of `size` bytes, `permissions` of all levels together."""

    frame: int
    size: int
    permissions: int


def root_entry(context_table: int) -> tuple[int, int]:
    """A present root entry, low and high word."""
    return context_table | PRESENT, 0


def context_entry(
    domain: int,
    tables: int,
    width: AddressWidth = AddressWidth.FOUR_LEVEL,
    kind: TranslationType = TranslationType.TRANSLATED,
    *,
    fault_disable: bool = False,
) -> tuple[int, int]:
    """A present context entry, low and high word."""
    low = tables | kind << 2 | (FAULT_DISABLE if fault_disable else 0) | PRESENT
    return low, domain << 8 | width


def context_table(memory: Memory, root: int, source_id: int) -> int:
    """The context table of the requester's bus, by the root table at `root`."""
    low, high = _pair(memory, root + (source_id >> 8) * ENTRY_BYTES, FaultReason.ROOT_POINTER)
    if not low & PRESENT:
        raise RemappingFault(FaultReason.ROOT_NOT_PRESENT)
    if low & _ROOT_RESERVED or high:
        raise RemappingFault(FaultReason.ROOT_RESERVED)
    return low & FRAME


def context(memory: Memory, table: int, source_id: int) -> Context:
    """The requester's context entry in its bus's context table, checked."""
    low, high = _pair(memory, table + (source_id & 0xFF) * ENTRY_BYTES, FaultReason.CONTEXT_POINTER)
    disabled = bool(low & FAULT_DISABLE)
    if not low & PRESENT:
        raise RemappingFault(FaultReason.CONTEXT_NOT_PRESENT, disabled=disabled)
    if low & _CONTEXT_RESERVED or high & _CONTEXT_RESERVED_HIGH:
        raise RemappingFault(FaultReason.CONTEXT_RESERVED, disabled=disabled)
    kind, width = low >> 2 & 3, high & 7
    if kind not in (TranslationType.TRANSLATED, TranslationType.PASS_THROUGH) or width not in (
        AddressWidth.THREE_LEVEL,
        AddressWidth.FOUR_LEVEL,
    ):
        raise RemappingFault(FaultReason.CONTEXT_INVALID, disabled=disabled)
    return Context(
        high >> 8 & 0xFFFF, TranslationType(kind), AddressWidth(width), low & FRAME, disabled
    )


def second_level_leaf(
    memory: Memory, of: Context, address: int, visit: list[int], *, missing: FaultReason
) -> Leaf:
    """Walk the domain's tables for `address`; the level of each entry read is appended to `visit`.

    RemappingFault: an entry that permits nothing (reason `missing`), a table outside memory, reserved bits.
    """
    table, permissions, disabled = of.tables, READ_WRITE, of.fault_disable
    for level in range(of.width.levels, 0, -1):
        shift = 12 + 9 * (level - 1)
        where = table + (address >> shift & 511) * 8
        if where + 8 > memory.size:
            raise RemappingFault(FaultReason.TABLE_POINTER, disabled=disabled)
        entry = memory.read64(where)
        visit.append(level)
        if not entry & READ_WRITE:
            raise RemappingFault(missing, disabled=disabled)
        if entry & _reserved(entry, level):
            raise RemappingFault(FaultReason.TABLE_RESERVED, disabled=disabled)
        permissions &= entry
        if level == 1 or entry & LARGE:
            return Leaf(entry & FRAME, 1 << shift, permissions & READ_WRITE)
        table = entry & FRAME
    raise AssertionError("a walk ends at level 1")


def _reserved(entry: int, level: int) -> int:
    if level == 1 or not entry & LARGE:
        return _ENTRY_RESERVED
    if level not in _LARGE_LEVELS:
        return _ENTRY_RESERVED | LARGE
    return _ENTRY_RESERVED | (1 << 12 + 9 * (level - 1)) - PAGE


def _pair(memory: Memory, address: int, beyond: FaultReason) -> tuple[int, int]:
    if address + ENTRY_BYTES > memory.size:
        raise RemappingFault(beyond)
    return memory.read64(address), memory.read64(address + 8)
