"""INS and OUTS on the bare processor: one iteration, once the engine has found that it may happen.

The engine checks the memory operand before it asks for the port (a dummy store for INS, the load for
OUTS), so the linear address is known to be good (Intel SDM vol. 2A, INS; vol. 2B, OUTS).
"""

from __future__ import annotations

from hardware_model.cpu import linear_access
from hardware_model.executor import words as W
from hardware_model.executor.engine import Engine

_PREFIXES = bytes(
    (0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3, *range(0x40, 0x50))
)
_REPEAT = frozenset(b"\xf2\xf3")
_RCX, _RSI, _RDI = 1, 6, 7
_DF = 1 << 10
_MASK = (1 << 64) - 1
COMPLETED, ANOTHER = 1, 2


def is_string(code: bytes) -> bool:
    """Whether `code` begins with INS or OUTS."""
    return code.lstrip(_PREFIXES)[:1] in (b"\x6c", b"\x6d", b"\x6e", b"\x6f")


def store(engine: Engine, value: int) -> None:
    """INS: put what the port gave to where RDI points."""
    data = value.to_bytes(int(engine.words[W.EVENT_SIZE]), "little")
    linear_access.write(engine, int(engine.registers.gpr[_RDI]), data)


def advance(engine: Engine, code: bytes) -> int:
    """Move the pointer and count down; ANOTHER if a repeated instruction goes on."""
    gpr, size = engine.registers.gpr, int(engine.words[W.EVENT_SIZE])
    pointer = _RSI if engine.words[W.EVENT_WRITE] else _RDI
    step = -size if engine.registers.rflags & _DF else size
    gpr[pointer] = (int(gpr[pointer]) + step) & _MASK
    opcode = code.lstrip(_PREFIXES)
    if not _REPEAT.intersection(code[: len(code) - len(opcode)]):
        return COMPLETED
    gpr[_RCX] = (int(gpr[_RCX]) - 1) & _MASK
    return ANOTHER if gpr[_RCX] else COMPLETED
