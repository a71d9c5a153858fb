"""Registers and memory operands of instructions that the model completes, at every width and form."""

from __future__ import annotations

import numpy as np
import pytest
from iced_x86 import Decoder

from hardware_model.cpu.general_registers import PARTS, read_gpr, source_operand, write_gpr
from hardware_model.cpu.memory_operand import memory_operand, memory_size
from hardware_model.executor.registers import Segment

MASK = (1 << 64) - 1


class Registers:
    """General registers with a different value in each byte, and bases of FS and GS."""

    def __init__(self):
        self.gpr = np.array(
            [0x1122334455667788 + 0x0101010101010101 * n for n in range(16)], np.uint64
        ).data

    def segment(self, name):
        return Segment(0, {"fs": 0x1000, "gs": 0xFFFF_8000_0000_0000}[name], 0, 0)


def decode(code: str, ip: int = 0x4000):
    return Decoder(64, bytes.fromhex(code), ip=ip).decode()


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("88 07", 0x88),  # mov [rdi], al
        ("88 27", 0x77),  # mov [rdi], ah
        ("40 88 37", 0x8E),  # mov [rdi], sil
        ("66 89 07", 0x7788),  # mov [rdi], ax
        ("89 07", 0x55667788),  # mov [rdi], eax
        ("48 89 07", 0x1122334455667788),  # mov [rdi], rax
        ("4c 89 3f", 0x2031425364758697),  # mov [rdi], r15
        ("c6 07 fe", 0xFE),  # mov byte ptr [rdi], -2
        ("66 c7 07 fe ff", 0xFFFE),  # mov word ptr [rdi], -2
        ("48 c7 07 fe ff ff ff", MASK - 1),  # mov qword ptr [rdi], -2
        ("48 83 0f fe", MASK - 1),  # or qword ptr [rdi], -2
    ],
)
def test_a_source_is_read_at_its_width(code, value):
    instruction = decode(code)
    assert source_operand(instruction, memory_size(instruction))(Registers()) == value


def test_writes_of_32_bits_clear_the_upper_half_and_shorter_ones_leave_the_rest():
    by_name = {(p.number, p.shift, p.size): register for register, p in PARTS.items()}
    registers = Registers()
    for (shift, size), after in {
        (0, 8): 0xCCCC_BBBB_AAAA_9999,
        (0, 4): 0xAAAA_9999,
        (0, 2): 0x1122334455669999,
        (0, 1): 0x1122334455667799,
        (8, 1): 0x1122334455669988,
    }.items():
        registers.gpr[0] = 0x1122334455667788
        register = by_name[0, shift, size]
        write_gpr(registers, register, 0xCCCC_BBBB_AAAA_9999)
        assert registers.gpr[0] == after
        assert read_gpr(registers, register) == 0xCCCC_BBBB_AAAA_9999 & (1 << 8 * size) - 1


@pytest.mark.parametrize(
    ("code", "address", "size"),
    [
        ("89 07", 0x18293A4B5C6D7E8F, 4),  # mov [rdi], eax
        ("88 47 ff", 0x18293A4B5C6D7E8E, 1),  # mov [rdi - 1], al
        ("48 89 04 8f", 0x18293A4B5C6D7E8F + 4 * 0x1223344556677889, 8),  # mov [rdi + rcx * 4], rax
        ("67 66 89 07", 0x5C6D7E8F, 2),  # mov [edi], ax
        ("48 89 05 10 00 00 00", 0x4017, 8),  # mov [rip + 16], rax
        ("48 89 04 25 00 80 ff ff", MASK - 0x7FFF, 8),  # mov [-0x8000], rax
        ("64 89 04 25 08 00 00 00", 0x1008, 4),  # mov fs:[8], eax
        ("65 89 07", 0x18293A4B5C6D7E8F + 0xFFFF_8000_0000_0000, 4),  # mov gs:[rdi], eax
    ],
)
def test_a_memory_operand_gives_the_linear_address(code, address, size):
    instruction = decode(code)
    assert memory_operand(instruction).linear(Registers()) == address & MASK
    assert memory_size(instruction) == size


def test_only_general_registers_have_a_place():
    instruction = decode("8c 1f")  # mov [rdi], ds
    assert instruction.op1_register not in PARTS
    assert len(PARTS) == 4 * 16 + 4
