"""Where the fields lie in a VMCS region of this implementation (SDM vol. 3C 24.2).

The region is one 4-KByte page of 512 words of 8 bytes; native code accesses it as uint64 words:

    word 0      VMCS revision identifier (bits 31:0), VMX-abort indicator (bits 63:32)
    word 1      launch state: 0 clear, 1 launched
    words 8...  the fields, one word each, in the order of their declaration: first those that
                VMWRITE can change (the entry checks look at no others), then the read-only ones

The architecture lays down word 0 only; the rest is the implementation's choice.
"""

from __future__ import annotations

from typing import Final

from hardware_model.vmx.field_encoding import FieldType
from hardware_model.vmx.fields import Field

PAGE_BYTES: Final = 4096
WORD_BYTES: Final = 8

REVISION_WORD: Final = 0
LAUNCH_STATE_WORD: Final = 1
FIRST_FIELD_WORD: Final = 8

_WRITABLE: Final = tuple(field for field in Field if field.type is not FieldType.READ_ONLY)
_READ_ONLY: Final = tuple(field for field in Field if field.type is FieldType.READ_ONLY)

WORD_INDEX: Final[dict[Field, int]] = {
    field: FIRST_FIELD_WORD + position for position, field in enumerate(_WRITABLE + _READ_ONLY)
}
"""The word of each field within the region."""

CHECKED_WORDS: Final = slice(FIRST_FIELD_WORD, FIRST_FIELD_WORD + len(_WRITABLE))
"""The words that the VM-entry checks depend on."""

FIELD_AT: Final[dict[int, Field]] = {word: field for field, word in WORD_INDEX.items()}
"""The field of each word that holds one."""
