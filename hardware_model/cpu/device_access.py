"""A load or store that reaches a device register: what it transfers, and completing it once the device answered.

Serves the processor (bare machine) and, as their instruction emulator's core, the VMMs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from iced_x86 import Code, Decoder, Instruction, Mnemonic, OpKind

from hardware_model.cpu.general_registers import PARTS, Registers, Value, source_operand, write_gpr
from hardware_model.cpu.memory_operand import memory_size

_IMMEDIATES = (
    OpKind.IMMEDIATE8,
    OpKind.IMMEDIATE32,
    OpKind.IMMEDIATE8TO32,
    OpKind.IMMEDIATE16,
    OpKind.IMMEDIATE32TO64,
)
_LOADS = (Mnemonic.MOV, Mnemonic.MOVZX, Mnemonic.MOVSX, Mnemonic.MOVSXD)


class UnsupportedAccess(Exception):
    """The instruction that touched a device register is none the model can complete."""


@dataclass(frozen=True, slots=True)
class DeviceAccess:
    """One decoded load or store: `size` bytes moved, `length` of the instruction.

    `stored` gives the value that a store writes; None for a load.
    """

    instruction: Instruction
    size: int
    length: int
    stored: Value | None

    def complete_load(self, registers: Registers, value: int) -> None:
        """Put the loaded value where the instruction wants it."""
        target = self.instruction.op0_register
        if self.instruction.mnemonic in (Mnemonic.MOVSX, Mnemonic.MOVSXD):
            sign = 1 << 8 * self.size - 1
            value = (value ^ sign) - sign
        write_gpr(registers, target, value)


@lru_cache(maxsize=4096)
def decode(code: bytes, rip: int) -> DeviceAccess:
    """Decode the load or store at `rip`; UnsupportedAccess names the instruction if it is neither."""
    instruction = Decoder(64, code, ip=rip).decode()
    if instruction.code != Code.INVALID and instruction.op_count == 2:
        kinds = instruction.op_kind(0), instruction.op_kind(1)
        stores = kinds[0] == OpKind.MEMORY and instruction.mnemonic == Mnemonic.MOV
        size = memory_size(instruction)
        if stores and (kinds[1] in _IMMEDIATES or instruction.op1_register in PARTS):
            stored = source_operand(instruction, size)
            return DeviceAccess(instruction, size, instruction.len, stored)
        if kinds[1] == OpKind.MEMORY and instruction.mnemonic in _LOADS:
            return DeviceAccess(instruction, size, instruction.len, None)
    raise UnsupportedAccess(
        f"instruction at {rip:#x} cannot access a device register: {instruction}"
    )
