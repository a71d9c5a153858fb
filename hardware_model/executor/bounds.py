"""How the engine decodes the checks of Intel MPX: it reads a SIB byte and a displacement twice.

Where BNDCL or BNDCU have one, the engine takes as many bytes of what follows for a second one. A DS prefix, which has
no effect in 64-bit mode, is a byte that the processor takes for the next instruction's and the engine for the check's.
"""

from __future__ import annotations

_DS_PREFIX = b"\x3e"
_SIB = 4


def padded_check(code: bytes) -> bytes:
    """`code` so that the engine finds the next instruction behind it.

    It is a BNDCL or BNDCU of a memory operand with 8 bits of displacement or none.
    """
    modrm = code[code.index(0x1A) + 1]
    read_twice = (modrm & 7 == _SIB) + (modrm >> 6 == 1)
    return code + _DS_PREFIX * read_twice
