"""The ModRM memory operand of a decoded instruction (Intel SDM vol. 1 section 3.7.5)."""

from __future__ import annotations

from dataclasses import dataclass

from iced_x86 import Instruction, MemorySizeExt, Register

from hardware_model.cpu.general_registers import PARTS
from hardware_model.executor.registers import Registers

_MASK = (1 << 64) - 1
_SEGMENT_BASES = {Register.FS: "fs", Register.GS: "gs"}


@dataclass(frozen=True, slots=True)
class MemoryOperand:
    """`displacement` + registers * scale + base of `segment`; RIP counts as part of the displacement.

    `registers`: number, mask and scale of base and index, as far as there are.
    """

    displacement: int
    registers: tuple[tuple[int, int, int], ...] = ()
    segment: str | None = None

    def linear(self, registers: Registers) -> int:
        """Linear address under the registers' present values."""
        address, gpr = self.displacement, registers.gpr
        for number, mask, scale in self.registers:
            address += (gpr[number] & mask) * scale
        if self.segment is not None:
            address += registers.segment(self.segment).base
        return address & _MASK


def memory_operand(instruction: Instruction) -> MemoryOperand:
    """The memory operand of an instruction that has one."""
    if instruction.is_ip_rel_memory_operand:
        return MemoryOperand(int(instruction.ip_rel_memory_address))
    scaled = (
        (instruction.memory_base, 1),
        (instruction.memory_index, instruction.memory_index_scale),
    )
    return MemoryOperand(
        int(instruction.memory_displacement),
        tuple((PARTS[r].number, PARTS[r].mask, int(scale)) for r, scale in scaled if r in PARTS),
        _SEGMENT_BASES.get(instruction.memory_segment),
    )


def memory_size(instruction: Instruction) -> int:
    """Bytes that an access of the memory operand moves."""
    return int(MemorySizeExt.size(instruction.memory_size))
