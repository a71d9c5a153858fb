"""Translation of instructions that show the virtual CPU's state: loads from the state page.

MOV from CR0, CR2, CR3, CR4, CR8, CS and SS; SMSW, SLDT, STR, SGDT, SIDT.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iced_x86 import Code, Instruction, MemoryOperand, OpKind, Register, RegisterExt

from techniques.binary_translation.builder import UnitBuilder
from techniques.binary_translation.copying import (
    WIDTHS,
    encode,
    free_register,
    memory_operand,
    name_of,
    number_of,
    register_name,
)
from techniques.binary_translation.unit import Kind

Translate = Callable[[UnitBuilder, Instruction], bool]
"""Emits the translation; False if the unit ends because control may go elsewhere."""

CONTROL = {
    Register.CR0: "cr0",
    Register.CR2: "cr2",
    Register.CR3: "cr3",
    Register.CR4: "cr4",
    Register.CR8: "cr8",
}
SELECTORS = {Register.CS: "cs", Register.SS: "ss"}


def shows(field: str) -> Translate:
    """A register of the virtual CPU, to a general register or as 16 bits to memory."""

    def translate(builder: UnitBuilder, instruction: Instruction) -> bool:
        if instruction.op0_kind == OpKind.MEMORY:
            return _to_memory(builder, instruction, {0: (field, 2)})
        size = RegisterExt.size(instruction.op0_register)
        name = register_name(RegisterExt.number(instruction.op0_register), size)
        builder.emit(f"mov {name}, {{{field}:{WIDTHS[size]}}}", units=1)
        return True

    return translate


def shows_table(name: str) -> Translate:
    """SGDT or SIDT: 16 bits of limit, 64 of base."""

    def translate(builder: UnitBuilder, instruction: Instruction) -> bool:
        return _to_memory(builder, instruction, {0: (f"{name}_limit", 2), 2: (f"{name}_base", 8)})

    return translate


def _to_memory(
    builder: UnitBuilder, instruction: Instruction, fields: dict[int, tuple[str, int]]
) -> bool:
    """Store (field, bytes) of the state page at offsets from the memory operand."""
    places = {offset: memory_operand(instruction, offset) for offset in fields}
    scratch = free_register(instruction)
    name, saved = name_of(scratch), (number_of(scratch),)
    stores = [
        (field, _word_store(memory, scratch, fields[offset][1]))
        for offset, memory in places.items()
        if memory is not None and (field := fields[offset][0])
    ]
    if len(stores) < len(fields):
        builder.callout(Kind.EMULATE, instruction)
        return True
    builder.emit(f"mov {{gpr{saved[0]}}}, {name}")
    for field, store in stores:
        builder.emit(f"mov {name}, {{{field}}}", saved=saved)
        builder.raw(encode(store, builder.address), saved=saved)
    builder.emit(f"mov {name}, {{gpr{saved[0]}}}", units=1, saved=saved)
    return True


def _word_store(memory: MemoryOperand, scratch: Any, size: int) -> Instruction:
    number = RegisterExt.number(scratch)
    if size == 8:
        return Instruction.create_mem_reg(Code.MOV_RM64_R64, memory, scratch)
    low: Any = Register.AX + number
    return Instruction.create_mem_reg(Code.MOV_RM16_R16, memory, low)
