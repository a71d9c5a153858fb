"""General registers of every width as operands of decoded instructions (Intel SDM vol. 1 section 3.4.1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from iced_x86 import Instruction, OpKind, Register, RegisterInfo

_info: Any = RegisterInfo
_GPR_ORDER: dict[int, int] = {
    Register.RAX: 0, Register.RCX: 1, Register.RDX: 2, Register.RBX: 3, Register.RSP: 4, Register.RBP: 5,
    Register.RSI: 6, Register.RDI: 7, Register.R8: 8, Register.R9: 9, Register.R10: 10, Register.R11: 11,
    Register.R12: 12, Register.R13: 13, Register.R14: 14, Register.R15: 15,
}  # fmt: skip
_HIGH_BYTES: tuple[int, ...] = (Register.AH, Register.CH, Register.DH, Register.BH)


class Registers(Protocol):
    """What an operand needs of the register file."""

    gpr: memoryview


class Part(NamedTuple):
    """The bits `mask` << `shift` of general register `number`, `size` bytes."""

    number: int
    shift: int
    mask: int
    size: int


def _part(register: int) -> Part:
    size = int(_info(register).size)
    number = _GPR_ORDER[_info(register).full_register]
    return Part(number, 8 if register in _HIGH_BYTES else 0, (1 << 8 * size) - 1, size)


PARTS: dict[int, Part] = {
    register: _part(register) for register in range(Register.AL, Register.R15 + 1)
}
"""Where each general register, from AL to R15, lies."""

Value = Callable[[Registers], int]


def read_gpr(registers: Registers, register: int) -> int:
    """Value of a general register of any width."""
    number, shift, mask, _ = PARTS[register]
    return registers.gpr[number] >> shift & mask


def write_gpr(registers: Registers, register: int, value: int) -> None:
    """Write a general register of any width; 32-bit writes clear the upper half."""
    number, shift, mask, size = PARTS[register]
    old = 0 if size >= 4 else registers.gpr[number] & ~(mask << shift)
    registers.gpr[number] = old | (value & mask) << shift


def source_operand(instruction: Instruction, size: int) -> Value:
    """What gives the value of the second operand, a register or an immediate of `size` bytes."""
    if instruction.op1_kind == OpKind.REGISTER:
        number, shift, mask, _ = PARTS[instruction.op1_register]
        return lambda registers: registers.gpr[number] >> shift & mask
    value = int(instruction.immediate(1)) & (1 << 8 * size) - 1
    return lambda registers: value
