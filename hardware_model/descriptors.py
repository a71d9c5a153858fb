"""Selectors, segment descriptors and gates, and the three forms of access rights.

Sources: Intel SDM vol. 3A sections 3.4 (selectors, segment descriptors), 5.8 (gates) and 6.14
(64-bit IDT gates); vol. 3C section 24.4.1 (VMX access rights). The TSS is in `task_state`.

Access rights come in three forms that hold the same bits:

    descriptor, high dword      segment cache of the engine      VMX access rights
    23 G 22 D/B 21 L 20 AVL     the high dword masked with       15 G 14 D/B 13 L 12 AVL
    15 P 14:13 DPL 12 S         00F0FF00H                        7 P 6:5 DPL 4 S 3:0 type
    11:8 type                                                    16 unusable
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

CACHE_FLAGS_MASK = 0x00F0_FF00
"""The bits of a descriptor's high dword that a segment cache keeps."""

AR_UNUSABLE = 1 << 16
"""VMX access rights, bit 16: the segment register holds no usable segment."""

_AR_MASK = CACHE_FLAGS_MASK >> 8
_PRESENT = 1 << 15


class SystemType(IntEnum):
    """Types of system segments and gates in IA-32e mode (SDM vol. 3A table 3-2)."""

    LDT = 2
    TSS_AVAILABLE = 9
    TSS_BUSY = 11
    CALL_GATE = 12
    INTERRUPT_GATE = 14
    TRAP_GATE = 15


class SegmentType(IntEnum):
    """The code and data segment types in use; bit 0 is "accessed" (SDM vol. 3A table 3-1)."""

    DATA_READ_WRITE = 3
    CODE_EXECUTE_READ = 11


def access_rights_of_cache(flags: int) -> int:
    """VMX access rights of a segment-cache `flags` word; a segment not present is unusable."""
    rights = (flags >> 8) & _AR_MASK
    return rights if flags & _PRESENT else rights | AR_UNUSABLE


def cache_of_access_rights(rights: int) -> int:
    """The segment-cache flags word of VMX access `rights`; that of an unusable segment is 0."""
    return 0 if rights & AR_UNUSABLE else (rights & _AR_MASK) << 8


@dataclass(frozen=True, slots=True)
class Selector:
    """A selector: descriptor `index`, `local` (in the LDT), requested privilege level `rpl`."""

    index: int
    rpl: int = 0
    local: bool = False

    @classmethod
    def decode(cls, value: int) -> Selector:
        """The selector in the low 16 bits of `value`."""
        return cls((value & 0xFFFF) >> 3, value & 3, bool(value & 4))

    def encode(self) -> int:
        """The 16-bit selector."""
        return self.index << 3 | self.local << 2 | self.rpl


@dataclass(frozen=True, slots=True)
class SegmentDescriptor:
    """A code, data or system segment.

    `base` is 32 bits wide for code and data segments and 64 bits for TSS and LDT. `limit` is the
    offset of the last byte; above 0FFFFFH its low 12 bits must be ones (page granularity). The
    `type` of a `system` segment is a `SystemType`.
    """

    base: int
    limit: int
    type: int
    dpl: int = 0
    system: bool = False
    present: bool = True
    long: bool = False
    default_big: bool = False
    available: bool = False

    @property
    def granular(self) -> bool:
        """The G bit: the limit counts pages."""
        return self.limit > 0xFFFFF

    @property
    def cache_flags(self) -> int:
        """The flags word of a segment cache that holds this segment."""
        return (
            self.type << 8
            | (not self.system) << 12
            | self.dpl << 13
            | self.present << 15
            | self.available << 20
            | self.long << 21
            | self.default_big << 22
            | self.granular << 23
        )

    @property
    def access_rights(self) -> int:
        """VMX access rights (SDM vol. 3C table 24-2)."""
        return access_rights_of_cache(self.cache_flags)

    def encode(self) -> bytes:
        """The descriptor's bytes: 16 for a system segment, else 8."""
        limit = self.limit >> 12 if self.granular else self.limit
        low = (limit & 0xFFFF) | (self.base & 0xFFFF) << 16
        high = self.cache_flags | (limit & 0xF0000)
        high |= (self.base >> 16 & 0xFF) | (self.base & 0xFF00_0000)
        first = struct.pack("<II", low, high)
        return first + struct.pack("<II", self.base >> 32, 0) if self.system else first

    @classmethod
    def decode(cls, raw: bytes) -> SegmentDescriptor:
        """The descriptor at the start of `raw`; ValueError if a system segment lacks 16 bytes."""
        low, high = struct.unpack_from("<II", raw)
        system = not high & 1 << 12
        base = low >> 16 | (high & 0xFF) << 16 | (high & 0xFF00_0000)
        if system:
            if len(raw) < 16:
                raise ValueError("a system descriptor has 16 bytes in IA-32e mode")
            base |= struct.unpack_from("<I", raw, 8)[0] << 32
        limit = (low & 0xFFFF) | (high & 0xF0000)
        return cls(
            base=base,
            limit=limit << 12 | 0xFFF if high & 1 << 23 else limit,
            type=high >> 8 & 15,
            dpl=high >> 13 & 3,
            system=system,
            present=bool(high & _PRESENT),
            long=bool(high & 1 << 21),
            default_big=bool(high & 1 << 22),
            available=bool(high & 1 << 20),
        )


def code64(dpl: int = 0) -> SegmentDescriptor:
    """A flat 64-bit code segment, executable and readable."""
    return SegmentDescriptor(0, 0xFFFF_FFFF, SegmentType.CODE_EXECUTE_READ, dpl, long=True)


def data(dpl: int = 0) -> SegmentDescriptor:
    """A flat writable data segment."""
    return SegmentDescriptor(0, 0xFFFF_FFFF, SegmentType.DATA_READ_WRITE, dpl, default_big=True)


def tss_descriptor(base: int, limit: int = 0x67, *, busy: bool = False) -> SegmentDescriptor:
    """The descriptor of a 64-bit TSS at linear address `base`."""
    kind = SystemType.TSS_BUSY if busy else SystemType.TSS_AVAILABLE
    return SegmentDescriptor(base, limit, kind, system=True)


@dataclass(frozen=True, slots=True)
class Gate:
    """An interrupt, trap or call gate of IA-32e mode.

    The target is `selector`:`offset`; `ist` is the interrupt stack to switch to, 0 for none.
    """

    offset: int
    selector: int
    type: int = SystemType.INTERRUPT_GATE
    dpl: int = 0
    ist: int = 0
    present: bool = True

    @property
    def clears_interrupt_flag(self) -> bool:
        """Whether delivery through the gate clears RFLAGS.IF."""
        return self.type == SystemType.INTERRUPT_GATE

    def encode(self) -> bytes:
        """The gate's 16 bytes."""
        kind = self.type | self.dpl << 5 | self.present << 7
        return struct.pack(
            "<HHBBHII",
            self.offset & 0xFFFF,
            self.selector,
            self.ist,
            kind,
            self.offset >> 16 & 0xFFFF,
            self.offset >> 32 & 0xFFFF_FFFF,
            0,
        )

    @classmethod
    def decode(cls, raw: bytes) -> Gate:
        """The gate in the first 16 bytes of `raw`."""
        low, selector, ist, kind, middle, high, _ = struct.unpack_from("<HHBBHII", raw)
        offset = low | middle << 16 | high << 32
        return cls(offset, selector, kind & 15, kind >> 5 & 3, ist & 7, bool(kind & 0x80))
