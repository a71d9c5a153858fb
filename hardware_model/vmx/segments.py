"""Guest segment registers in the VMCS: their fields and the access-rights format.

Access rights (SDM vol. 3C 24.4.1, table 24-2):

    31       17  16  15  14  13  12  11    8  7  6   5  4  3      0
    +----------+---+---+---+---+---+--------+---+-----+---+--------+
    |    0     | U | G |D/B| L |AVL|   0    | P | DPL | S |  type  |
    +----------+---+---+---+---+---+--------+---+-----+---+--------+
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hardware_model.vmx.fields import Field

TYPE: Final = 0xF
CODE_OR_DATA: Final = 1 << 4
DPL_SHIFT: Final = 5
PRESENT: Final = 1 << 7
LONG: Final = 1 << 13
DEFAULT_BIG: Final = 1 << 14
GRANULARITY: Final = 1 << 15
UNUSABLE: Final = 1 << 16
RESERVED: Final = 0xFFFE_0F00

SELECTOR_RPL: Final = 3
SELECTOR_TI: Final = 1 << 2


@dataclass(frozen=True, slots=True)
class SegmentFields:
    """The four VMCS fields of one guest segment register."""

    name: str
    selector: Field
    base: Field
    limit: Field
    access_rights: Field


def _fields(name: str) -> SegmentFields:
    return SegmentFields(
        name.lower(),
        Field[f"GUEST_{name}_SELECTOR"],
        Field[f"GUEST_{name}_BASE"],
        Field[f"GUEST_{name}_LIMIT"],
        Field[f"GUEST_{name}_ACCESS_RIGHTS"],
    )


ES: Final = _fields("ES")
CS: Final = _fields("CS")
SS: Final = _fields("SS")
DS: Final = _fields("DS")
FS: Final = _fields("FS")
GS: Final = _fields("GS")
LDTR: Final = _fields("LDTR")
TR: Final = _fields("TR")

SEGMENTS: Final = (ES, CS, SS, DS, FS, GS, LDTR, TR)
"""All of them, in the order of their encodings."""
