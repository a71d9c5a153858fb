"""Read-modify-write operations of the instruction emulator, with their flags (Intel SDM vol. 1 section 3.4.3.1)."""

from __future__ import annotations

from collections.abc import Callable

from iced_x86 import Instruction, Mnemonic

from hardware_model.cpu.general_registers import read_gpr, source_operand, write_gpr
from hardware_model.executor.registers import Registers

Operation = Callable[[Registers, Instruction, int, int], int]
CF, PF, AF, ZF, SF, OF = 1, 1 << 2, 1 << 4, 1 << 6, 1 << 7, 1 << 11
_ARITHMETIC = CF | PF | AF | ZF | SF | OF
STORES = frozenset({Mnemonic.MOV, Mnemonic.MOVNTI})


def _source(registers: Registers, instruction: Instruction, size: int) -> int:
    return source_operand(instruction, size)(registers)


def _result_flags(value: int, size: int) -> int:
    flags = 0 if bin(value & 0xFF).count("1") & 1 else PF
    flags |= 0 if value else ZF
    return flags | (SF if value >> 8 * size - 1 & 1 else 0)


def _set_flags(registers: Registers, flags: int, changed: int = _ARITHMETIC) -> None:
    registers.rflags = registers.rflags & ~changed | flags


def _logic(combine: Callable[[int, int], int]) -> Operation:
    def operate(registers: Registers, instruction: Instruction, old: int, size: int) -> int:
        new = combine(old, _source(registers, instruction, size))
        _set_flags(registers, _result_flags(new, size))
        return new

    return operate


def _sum_flags(old: int, source: int, new: int, carry: bool, size: int, *, subtract: bool) -> int:
    sign = 1 << 8 * size - 1
    overflow = (old ^ source) & (old ^ new) if subtract else ~(old ^ source) & (old ^ new)
    flags = (
        _result_flags(new, size) | (CF if carry else 0) | (AF if (old ^ source ^ new) & 0x10 else 0)
    )
    return flags | (OF if overflow & sign else 0)


def add(registers: Registers, old: int, source: int, size: int) -> int:
    """old + source, flags set."""
    total, mask = old + source, (1 << 8 * size) - 1
    _set_flags(registers, _sum_flags(old, source, total & mask, total > mask, size, subtract=False))
    return total & mask


def subtract(registers: Registers, old: int, source: int, size: int) -> int:
    """old - source, flags set."""
    new = (old - source) & (1 << 8 * size) - 1
    _set_flags(registers, _sum_flags(old, source, new, old < source, size, subtract=True))
    return new


def _bit(change: Callable[[int, int], int]) -> Operation:
    def operate(registers: Registers, instruction: Instruction, old: int, size: int) -> int:
        mask = 1 << (_source(registers, instruction, size) & 8 * size - 1)
        _set_flags(registers, CF if old & mask else 0, CF)
        return change(old, mask)

    return operate


def _exchange(registers: Registers, instruction: Instruction, old: int, size: int) -> int:
    new = read_gpr(registers, instruction.op1_register)
    write_gpr(registers, instruction.op1_register, old)
    return new


def _exchange_add(registers: Registers, instruction: Instruction, old: int, size: int) -> int:
    new = add(registers, old, read_gpr(registers, instruction.op1_register), size)
    write_gpr(registers, instruction.op1_register, old)
    return new


def _compare_exchange(registers: Registers, instruction: Instruction, old: int, size: int) -> int:
    accumulator = int(registers.gpr[0]) & (1 << 8 * size) - 1
    subtract(registers, accumulator, old, size)
    if accumulator == old:
        return read_gpr(registers, instruction.op1_register)
    keep = 0 if size >= 4 else int(registers.gpr[0]) >> 8 * size << 8 * size
    registers.gpr[0] = keep | old
    return old


def _increment(registers: Registers, instruction: Instruction, old: int, size: int) -> int:
    carry = registers.rflags & CF
    new = add(registers, old, 1, size)
    _set_flags(registers, carry, CF)
    return new


def _decrement(registers: Registers, instruction: Instruction, old: int, size: int) -> int:
    carry = registers.rflags & CF
    new = subtract(registers, old, 1, size)
    _set_flags(registers, carry, CF)
    return new


OPERATIONS: dict[int, Operation] = {
    Mnemonic.AND: _logic(lambda a, b: a & b),
    Mnemonic.OR: _logic(lambda a, b: a | b),
    Mnemonic.XOR: _logic(lambda a, b: a ^ b),
    Mnemonic.ADD: lambda r, i, old, size: add(r, old, _source(r, i, size), size),
    Mnemonic.SUB: lambda r, i, old, size: subtract(r, old, _source(r, i, size), size),
    Mnemonic.INC: _increment,
    Mnemonic.DEC: _decrement,
    Mnemonic.BTS: _bit(lambda a, mask: a | mask),
    Mnemonic.BTR: _bit(lambda a, mask: a & ~mask),
    Mnemonic.BTC: _bit(lambda a, mask: a ^ mask),
    Mnemonic.XCHG: _exchange,
    Mnemonic.XADD: _exchange_add,
    Mnemonic.CMPXCHG: _compare_exchange,
}
