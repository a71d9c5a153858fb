"""What an instruction does to memory and registers, as far as the fence asks; found out once for each encoding."""

from __future__ import annotations

from typing import Any, NamedTuple

from iced_x86 import (
    CodeSize,
    Instruction,
    InstructionInfoFactory,
    Mnemonic,
    OpAccess,
    Register,
    RegisterExt,
)

INFO = InstructionInfoFactory()
WRITES = frozenset(
    {OpAccess.WRITE, OpAccess.COND_WRITE, OpAccess.READ_WRITE, OpAccess.READ_COND_WRITE}
)
_BASED = (Register.FS, Register.GS)
_MASK = (1 << 64) - 1


class Place(NamedTuple):
    """The part of an address that a check looks at: a segment with a base, a base register, a scaled index `along`.

    NONE stands where there is none. `bit`: `base` is no address but the bit number of a bit-string instruction.
    """

    segment: Any
    base: Any
    along: Any = Register.NONE
    scale: int = 1
    bit: bool = False


STACK = Place(Register.NONE, Register.RSP)


class Uses(NamedTuple):
    """What an instruction uses.

    `memory`: the place to be checked and the displacement for each access; the place is None where the displacement is
    the address. `changed`: full registers that it loads, but for RSP where it only moves across what is accessed.
    """

    memory: tuple[tuple[Place | None, int], ...]
    changed: frozenset[Any]


def uses_of(instruction: Instruction, code: bytes) -> Uses:
    """What `instruction` uses, whose bytes are `code`: the same for the same bytes unless these name RIP."""
    if instruction.is_ip_rel_memory_operand:
        return _found_uses(instruction)
    known = _USES.get(code)
    if known is None:
        if len(_USES) >= _MOST_USES:
            _USES.clear()
        known = _USES[code] = _found_uses(instruction)
    return known


_USES: dict[bytes, Uses] = {}
_MOST_USES = 1 << 14


def _found_uses(instruction: Instruction) -> Uses:
    info = INFO.info(instruction)
    memory: list[tuple[Place | None, int]] = []
    for use in info.used_memory():
        place = _place(use)
        if use.access == OpAccess.NO_MEM_ACCESS or place is None:
            continue
        alone = place.base == place.along == place.segment == Register.NONE
        memory.append((None if alone else place, use.displacement & _MASK))
    changed = {
        RegisterExt.full_register(use.register)
        for use in info.used_registers()
        if use.access in WRITES
    }
    if _touches_stack(instruction):
        changed.discard(Register.RSP)
    return Uses(tuple(memory), frozenset(changed))


def _place(memory: Any) -> Place | None:
    """What of a memory operand is to be checked; None for 32-bit addresses, which lie below any slot."""
    if memory.address_size == CodeSize.CODE32:
        return None
    segment = memory.segment if memory.segment in _BASED else Register.NONE
    index = memory.index if RegisterExt.size(memory.index) == 8 else Register.NONE  # not XLAT's AL
    return Place(segment, memory.base, index, memory.scale if index != Register.NONE else 1)


def _touches_stack(instruction: Instruction) -> bool:
    """Whether the instruction moves RSP only across what it accesses, or to where it has accessed memory (LEAVE)."""
    if instruction.mnemonic == Mnemonic.POP and instruction.op0_register in _STACK:
        return False
    return bool(instruction.is_stack_instruction and instruction.mnemonic != Mnemonic.ENTER)


_STACK = (Register.RSP, Register.ESP, Register.SP)
