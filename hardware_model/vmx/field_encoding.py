"""What the encoding of a VMCS field says (SDM vol. 3C 24.11.2, table 24-21).

14    13 12 11    10 9             1 0
+-------+--+--------+---------------+-+
| width |0 |  type  |     index     |A|   A = 1: the high half of a 64-bit field
+-------+--+--------+---------------+-+
"""

from __future__ import annotations

from enum import IntEnum

HIGH_ACCESS = 1
"""Bit 0 of an encoding: access the upper 32 bits of a 64-bit field."""


class FieldWidth(IntEnum):
    """Bits 14:13 of an encoding."""

    WORD = 0
    QUADWORD = 1
    DOUBLEWORD = 2
    NATURAL = 3

    @property
    def bits(self) -> int:
        """The width in bits; natural width is 64 on a processor with Intel 64 architecture."""
        return (16, 64, 32, 64)[self]


class FieldType(IntEnum):
    """Bits 11:10 of an encoding: the area a field belongs to."""

    CONTROL = 0
    READ_ONLY = 1
    GUEST = 2
    HOST = 3


def width_of(encoding: int) -> FieldWidth:
    """The width that an encoding names."""
    return FieldWidth(encoding >> 13 & 3)


def type_of(encoding: int) -> FieldType:
    """The area that an encoding names."""
    return FieldType(encoding >> 10 & 3)


def index_of(encoding: int) -> int:
    """Bits 9:1 of an encoding: the number of the field among those of its width and type."""
    return encoding >> 1 & 0x1FF
