"""The fault reasons of DMA and interrupt remapping (VT-d specification 7.2 and appendix A), declared once."""

from __future__ import annotations

from enum import IntEnum


class FaultReason(IntEnum):
    """The code in a fault record.

    `qualified` faults are not recorded when the entry that was used for the request sets FPD; `doc` is one sentence.
    """

    qualified: bool
    doc: str

    def __new__(cls, number: int, qualified: bool = False, doc: str = "") -> FaultReason:
        """Make a member with its attributes."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.qualified = qualified
        member.doc = doc
        return member

    ROOT_NOT_PRESENT = 0x1, False, "the root entry of the requester's bus is not present"
    CONTEXT_NOT_PRESENT = 0x2, True, "the requester's context entry is not present"
    CONTEXT_INVALID = (
        0x3,
        True,
        "the context entry has a table width or type that the unit does not support",
    )
    BEYOND_WIDTH = 0x4, True, "the address lies beyond the width that the domain's tables translate"
    WRITE_DENIED = 0x5, True, "a write to an address without write permission"
    READ_DENIED = 0x6, True, "a read from an address without read permission"
    TABLE_POINTER = 0x7, True, "a second-level table lies outside memory"
    ROOT_POINTER = 0x8, False, "the root table lies outside memory"
    CONTEXT_POINTER = 0x9, False, "the context table lies outside memory"
    ROOT_RESERVED = 0xA, False, "reserved bits are set in the root entry"
    CONTEXT_RESERVED = 0xB, True, "reserved bits are set in the context entry"
    TABLE_RESERVED = 0xC, True, "reserved bits are set in a second-level entry"
    REQUEST_RESERVED = 0x20, False, "reserved bits are set in a remappable interrupt request"
    INDEX_BEYOND_TABLE = 0x21, False, "the interrupt index lies beyond the remapping table"
    IRTE_NOT_PRESENT = 0x22, True, "the interrupt-remapping entry is not present"
    IRTE_POINTER = 0x23, False, "the interrupt-remapping table lies outside memory"
    IRTE_RESERVED = 0x24, True, "reserved bits are set in the interrupt-remapping entry"
    COMPATIBILITY_BLOCKED = 0x25, False, "a compatibility-format interrupt request is not let pass"
    SOURCE_MISMATCH = 0x26, True, "the requester may not use this interrupt-remapping entry"


class RemappingFault(Exception):
    """A request that the unit blocks: `reason`, and `recorded`, False when its entry sets FPD."""

    def __init__(self, reason: FaultReason, *, disabled: bool = False) -> None:
        super().__init__(reason.doc)
        self.reason = reason
        self.recorded = not (disabled and reason.qualified)
