"""A load or store that reaches a device register: what it transfers, and completing it once the device answered.

Serves the processor (bare machine) and, as their instruction emulator's core, the VMMs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from iced_x86 import Code, Decoder, Instruction, Mnemonic, OpKind, Register, RegisterInfo

_info: Any = RegisterInfo
_GPR_ORDER: dict[int, int] = {
    Register.RAX: 0, Register.RCX: 1, Register.RDX: 2, Register.RBX: 3, Register.RSP: 4, Register.RBP: 5,
    Register.RSI: 6, Register.RDI: 7, Register.R8: 8, Register.R9: 9, Register.R10: 10, Register.R11: 11,
    Register.R12: 12, Register.R13: 13, Register.R14: 14, Register.R15: 15,
}  # fmt: skip
_HIGH_BYTES: dict[int, int] = {Register.AH: 0, Register.CH: 1, Register.DH: 2, Register.BH: 3}
_IMMEDIATES = (
    OpKind.IMMEDIATE8,
    OpKind.IMMEDIATE32,
    OpKind.IMMEDIATE8TO32,
    OpKind.IMMEDIATE16,
    OpKind.IMMEDIATE32TO64,
)
_LOADS = (Mnemonic.MOV, Mnemonic.MOVZX, Mnemonic.MOVSX, Mnemonic.MOVSXD)


class Registers(Protocol):
    """What completing an access needs of the register file."""

    gpr: np.ndarray


class UnsupportedAccess(Exception):
    """The instruction that touched a device register is none the model can complete."""


@dataclass(frozen=True, slots=True)
class DeviceAccess:
    """One decoded load or store: `size` bytes moved, `write` if a store, `length` of the instruction."""

    instruction: Instruction
    size: int
    write: bool
    length: int

    def stored_value(self, registers: Registers) -> int:
        """The value that the store writes."""
        kind = self.instruction.op_kind(1)
        if kind == OpKind.REGISTER:
            return read_gpr(registers, self.instruction.op1_register)
        return int(self.instruction.immediate(1)) & (1 << 8 * self.size) - 1

    def complete_load(self, registers: Registers, value: int) -> None:
        """Put the loaded value where the instruction wants it."""
        target = self.instruction.op0_register
        if self.instruction.mnemonic in (Mnemonic.MOVSX, Mnemonic.MOVSXD):
            sign = 1 << 8 * self.size - 1
            value = (value ^ sign) - sign
        write_gpr(registers, target, value)


def read_gpr(registers: Registers, register: int) -> int:
    """Value of a general register of any width."""
    if register in _HIGH_BYTES:
        return int(registers.gpr[_HIGH_BYTES[register]]) >> 8 & 0xFF
    info = _info(register)
    mask = (1 << 8 * int(info.size)) - 1
    return int(registers.gpr[_GPR_ORDER[info.full_register]]) & mask


def write_gpr(registers: Registers, register: int, value: int) -> None:
    """Write a general register of any width; 32-bit writes clear the upper half."""
    if register in _HIGH_BYTES:
        number, shift, size = _HIGH_BYTES[register], 8, 1
    else:
        info = _info(register)
        number, shift, size = _GPR_ORDER[info.full_register], 0, info.size
    mask = (1 << 8 * size) - 1
    old = 0 if size >= 4 else int(registers.gpr[number]) & ~(mask << shift)
    registers.gpr[number] = old | (value & mask) << shift


@lru_cache(maxsize=4096)
def decode(code: bytes, rip: int) -> DeviceAccess:
    """Decode the load or store at `rip`; UnsupportedAccess names the instruction if it is neither."""
    instruction = Decoder(64, code, ip=rip).decode()
    if instruction.code != Code.INVALID and instruction.op_count == 2:
        kinds = instruction.op_kind(0), instruction.op_kind(1)
        stores = kinds[0] == OpKind.MEMORY and instruction.mnemonic == Mnemonic.MOV
        if stores and kinds[1] in (*_IMMEDIATES, OpKind.REGISTER):
            return DeviceAccess(instruction, _memory_size(instruction), True, instruction.len)
        if kinds[1] == OpKind.MEMORY and instruction.mnemonic in _LOADS:
            return DeviceAccess(instruction, _memory_size(instruction), False, instruction.len)
    raise UnsupportedAccess(
        f"instruction at {rip:#x} cannot access a device register: {instruction}"
    )


def _memory_size(instruction: Instruction) -> int:
    from iced_x86 import MemorySizeInfo

    return int(MemorySizeInfo(instruction.memory_size).size)
