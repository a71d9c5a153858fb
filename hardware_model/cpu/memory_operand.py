"""The ModRM memory operand of a decoded instruction (Intel SDM vol. 1 section 3.7.5)."""

from __future__ import annotations

from dataclasses import dataclass

from iced_x86 import Instruction, MemorySizeExt, Register

from hardware_model.cpu.general_registers import PARTS, Part
from hardware_model.executor.registers import Registers

_MASK = (1 << 64) - 1
_SEGMENT_BASES = {Register.FS: "fs", Register.GS: "gs"}


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """`displacement` + base + index * `scale` + base of `segment`; RIP counts as part of the displacement."""

    displacement: int
    base: Part | None
    index: Part | None
    scale: int
    segment: str | None

    def linear(self, registers: Registers) -> int:
        """Linear address under the registers' present values."""
        address, gpr = self.displacement, registers.gpr
        if self.base is not None:
            address += gpr[self.base.number] & self.base.mask
        if self.index is not None:
            address += (gpr[self.index.number] & self.index.mask) * self.scale
        if self.segment is not None:
            address += registers.segment(self.segment).base
        return address & _MASK


def memory_operand(instruction: Instruction) -> MemoryOperand:
    """The memory operand of an instruction that has one."""
    if instruction.is_ip_rel_memory_operand:
        return MemoryOperand(int(instruction.ip_rel_memory_address), None, None, 1, None)
    return MemoryOperand(
        int(instruction.memory_displacement),
        PARTS.get(instruction.memory_base),
        PARTS.get(instruction.memory_index),
        int(instruction.memory_index_scale),
        _SEGMENT_BASES.get(instruction.memory_segment),
    )


def memory_size(instruction: Instruction) -> int:
    """Bytes that an access of the memory operand moves."""
    return int(MemorySizeExt.size(instruction.memory_size))
