"""Instructions that are copied into translated code, with operands relative to RIP fixed up."""

from __future__ import annotations

from typing import Any

from iced_x86 import (
    Code,
    Encoder,
    Instruction,
    InstructionInfoFactory,
    MemoryOperand,
    Mnemonic,
    OpKind,
    Register,
    RegisterExt,
)

from techniques.binary_translation.builder import UnitBuilder, fits_signed

_NAMES = ("rax", "rcx", "rdx", "rbx", "", "", "rsi", "rdi")
_SCRATCH: dict[int, int] = {
    Register.RAX: 0,
    Register.RCX: 1,
    Register.RDX: 2,
    Register.RBX: 3,
    Register.RSI: 6,
    Register.RDI: 7,
}
_NOP, _BOUNDS = b"\x90", (0x1A, 0x1B)
_INFO = InstructionInfoFactory()
_MASK = (1 << 64) - 1


def copy(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    """Emit `instruction`, whose bytes are `code`, so that it does what it does at the guest's RIP."""
    if is_bounds_hint(instruction):
        builder.raw(_NOP, 1)
    elif instruction.is_ip_rel_memory_operand:
        _relocate(builder, instruction)
    else:
        builder.raw(code, 1)


def is_bounds_hint(instruction: Instruction) -> bool:
    """Whether this is a NOP to a processor without bounds registers, as the guest is offered it: 0F 1A or 0F 1B."""
    return instruction.mnemonic == Mnemonic.RESERVEDNOP and instruction.op_code().op_code in _BOUNDS


def _relocate(builder: UnitBuilder, instruction: Instruction) -> None:
    target = instruction.ip_rel_memory_address
    moved = instruction.copy()
    if fits_signed(target):
        moved.memory_base = Register.NONE
        moved.memory_displacement = target
        moved.memory_displ_size = 8
        builder.raw(encode(moved, builder.address), 1)
        return
    scratch = free_register(instruction)
    name, number = _NAMES[_SCRATCH[scratch]], _SCRATCH[scratch]
    moved.memory_base = scratch
    moved.memory_displacement = 0
    moved.memory_displ_size = 0
    builder.emit(f"mov {{gpr{number}}}, {name}")
    builder.emit(f"movabs {name}, #", target)
    builder.raw(encode(moved, builder.address), saved=(number,))
    builder.emit(f"mov {name}, {{gpr{number}}}", units=1, saved=(number,))


def free_register(instruction: Instruction) -> Any:
    """A general register that the instruction has nothing to do with and that needs no REX prefix."""
    used = {
        RegisterExt.full_register(use.register) for use in _INFO.info(instruction).used_registers()
    }
    return next(register for register in _SCRATCH if register not in used)


def number_of(register: int) -> int:
    """Encoding of a register that `free_register` returned."""
    return _SCRATCH[register]


def name_of(register: int) -> str:
    """Name of a register that `free_register` returned."""
    return _NAMES[_SCRATCH[register]]


_GENERAL = (
    "rax",
    "rcx",
    "rdx",
    "rbx",
    "rsp",
    "rbp",
    "rsi",
    "rdi",
    *(f"r{n}" for n in range(8, 16)),
)


WIDTHS = {2: "word", 4: "dword", 8: "qword"}


def register_name(number: int, size: int) -> str:
    """Name of the `size` low bytes of a general register."""
    if size == 8:
        return _GENERAL[number]
    if number >= 8:
        return f"r{number}{WIDTHS[size][0]}"
    return ("e" if size == 4 else "") + _GENERAL[number][1:]


def encode(instruction: Instruction, address: int) -> bytes:
    """Machine code of `instruction` at `address`."""
    encoder = Encoder(64)
    encoder.encode(instruction, address)
    return encoder.take_buffer()


def memory_operand(instruction: Instruction, offset: int = 0) -> MemoryOperand | None:
    """The memory `offset` bytes behind the operand, without RIP; None if out of reach of 32 bits."""
    segment = instruction.segment_prefix
    if instruction.is_ip_rel_memory_operand:
        target = instruction.ip_rel_memory_address + offset & _MASK
        if not fits_signed(target):
            return None
        return MemoryOperand(displ=_signed(target), displ_size=8, seg=segment)
    displacement = _signed(instruction.memory_displacement) + offset
    if offset and not fits_signed(displacement & _MASK):
        return None
    return MemoryOperand(
        base=instruction.memory_base,
        index=instruction.memory_index,
        scale=instruction.memory_index_scale,
        displ=displacement,
        displ_size=instruction.memory_displ_size or int(bool(offset)),
        seg=segment,
    )


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def load_rcx(builder: UnitBuilder, instruction: Instruction) -> None:
    """RCX gets the 64-bit first operand; RAX and RCX have been saved and are still the guest's."""
    if instruction.op0_kind == OpKind.REGISTER:
        move = Instruction.create_reg_reg(Code.MOV_R64_RM64, Register.RCX, instruction.op0_register)
    else:
        memory = memory_operand(instruction)
        if memory is None:
            builder.emit("movabs rcx, #", instruction.ip_rel_memory_address)
            memory = MemoryOperand(Register.RCX, seg=instruction.segment_prefix)
            move = Instruction.create_reg_mem(Code.MOV_R64_RM64, Register.RCX, memory)
            builder.raw(encode(move, builder.address), saved=(1,))
            return
        move = Instruction.create_reg_mem(Code.MOV_R64_RM64, Register.RCX, memory)
    builder.raw(encode(move, builder.address))
