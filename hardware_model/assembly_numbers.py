"""Numbers in assembly text, as Keystone can be trusted with them.

Keystone takes a number without prefix for decimal or for hexadecimal, as an uninitialized field of the assembler
has it: two assemblers of one process can differ. So it is given hexadecimal numbers with their prefix.
"""

from __future__ import annotations

import re

_DECIMAL = re.compile(r"(?<![\w.'])[1-9]\d*\b")


def hexadecimal(text: str) -> str:
    """The text with every decimal number as a hexadecimal one; names that end in digits stay."""
    return _DECIMAL.sub(lambda number: hex(int(number[0])), text)
