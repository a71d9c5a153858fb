"""Translation of LAR, LSL, VERR and VERW: answers from the guest's own descriptor, read where the guest has it.

The processor's own answers would be those of the VMM's tables at CPL 1. The sequence does what the
instruction does (Intel SDM vol. 2, operation sections) with the guest's table registers, which lie on the
state page, and with CPL 0: limit, privilege, type. Its load of the descriptor faults as the
instruction's does. RAX holds the guest's flags meanwhile, RCX the selector, RBX the
descriptor, RDX what is being looked at.
"""

from __future__ import annotations

from typing import Any

from iced_x86 import Code, Instruction, MemoryOperand, Mnemonic, OpKind, Register, RegisterExt

from techniques.binary_translation.builder import RAX, RBX, RCX, RDX, UnitBuilder
from techniques.binary_translation.copying import encode, memory_operand, register_name
from techniques.binary_translation.fence import check_table

_SAVED = (RAX, RCX, RDX, RBX)
_LDT_FIELDS = (
    4  # shift of the selector's TI flag to the distance of the LDT's fields from the GDT's
)
_LAR_SYSTEM = 0b0001_1010_0011_1110  # types 1 to 5, 9, 11, 12
_LSL_SYSTEM = 0b0000_1010_0000_1110  # types 1 to 3, 9, 11
_ZF_CLEAR, _ZF_SET = "and ah, 0xbf", "or ah, 0x40"
_OVER_CLEAR = b"\xeb\x03"
_JE, _JNE, _JB, _JAE, _JA = 0x84, 0x85, 0x82, 0x83, 0x87


def descriptor_check(builder: UnitBuilder, instruction: Instruction) -> bool:
    """LAR, LSL, VERR or VERW of a selector in a register or in memory."""
    _save_and_load_selector(builder, instruction)
    _find_descriptor(builder, instruction)
    _check_privilege(builder)
    _ANSWERS[instruction.mnemonic](builder)
    _emit(builder, _ZF_SET)
    if instruction.mnemonic in (Mnemonic.LAR, Mnemonic.LSL):
        _put(builder, instruction.op0_register)
    builder.raw(_OVER_CLEAR, saved=_SAVED)
    builder.land()
    _emit(builder, _ZF_CLEAR)
    _restore(builder)
    return True


def _emit(builder: UnitBuilder, *texts: str) -> None:
    for text in texts:
        builder.emit(text, saved=_SAVED)


def _refuse(builder: UnitBuilder, condition: int) -> None:
    """If the condition holds, the answer is ZF clear."""
    builder.leap(condition, _SAVED)


def _save_and_load_selector(builder: UnitBuilder, instruction: Instruction) -> None:
    for number, name in enumerate(("rax", "rcx", "rdx", "rbx")):
        builder.emit(f"mov {{gpr{number}}}, {name}")
    operand = instruction.op_count - 1
    if instruction.op_kind(operand) == OpKind.MEMORY:
        memory = memory_operand(instruction)
        if memory is None:
            builder.emit("movabs rcx, #", instruction.ip_rel_memory_address)
            memory = MemoryOperand(Register.RCX, seg=instruction.segment_prefix)
        load = Instruction.create_reg_mem(Code.MOVZX_R32_RM16, Register.ECX, memory)
        builder.raw(encode(load, builder.address), saved=(RCX,))
    else:
        number = RegisterExt.number(instruction.op_register(operand))
        builder.emit(f"movzx ecx, {register_name(number, 2)}")
    builder.emit("lahf", saved=(RCX,))
    builder.emit("seto al", saved=_SAVED)
    builder.flags_in_rax = True


def _find_descriptor(builder: UnitBuilder, instruction: Instruction) -> None:
    """RBX gets the guest's descriptor, if the selector is not null and its table reaches so far."""
    _emit(builder, "test ecx, 0xfffc")
    _refuse(builder, _JE)
    _emit(builder, "mov edx, ecx", "and edx, 4", f"shl edx, {_LDT_FIELDS}")
    _emit(builder, "lea rbx, {gdt_limit}", "add rbx, rdx")
    _emit(builder, "mov edx, ecx", "or edx, 7", "cmp rdx, qword ptr [rbx]")
    _refuse(builder, _JA)
    _emit(builder, "and edx, 0xfff8", "add rdx, qword ptr [rbx + 8]")
    check_table(builder, instruction)
    _emit(builder, "mov rbx, qword ptr [rdx]")


def _check_privilege(builder: UnitBuilder) -> None:
    """Code that conforms is visible to all; else CPL, which is 0, and RPL must not exceed DPL."""
    _emit(builder, "mov rdx, rbx", "shr rdx, 32", "and edx, 0x1c00", "cmp edx, 0x1c00")
    conforming = builder.branch(_JE, _SAVED)
    _emit(builder, "mov rdx, rbx", "shr rdx, 45", "and edx, 3", "and ecx, 3", "cmp edx, ecx")
    _refuse(builder, _JB)
    builder.land(conforming)


def _known_type(builder: UnitBuilder, system: int) -> None:
    """Code, data, and the types of system descriptors in `system`; RDX becomes the upper half."""
    _emit(builder, "mov rdx, rbx", "shr rdx, 32", "bt edx, 12")
    memory_segment = builder.branch(_JB, _SAVED)
    _emit(builder, "shr edx, 8", "and edx, 15", f"mov ecx, {system:#x}", "bt ecx, edx")
    _refuse(builder, _JAE)
    builder.land(memory_segment)
    _emit(builder, "mov rdx, rbx", "shr rdx, 32")


def _lar(builder: UnitBuilder) -> None:
    _known_type(builder, _LAR_SYSTEM)
    _emit(builder, "and edx, 0x00f0ff00")


def _lsl(builder: UnitBuilder) -> None:
    """The limit in bytes."""
    _known_type(builder, _LSL_SYSTEM)
    _emit(builder, "and edx, 0xf0000", "movzx ecx, bx", "or edx, ecx", "bt rbx, 55")
    bytewise = builder.branch(_JAE, _SAVED)
    _emit(builder, "shl edx, 12", "or edx, 0xfff")
    builder.land(bytewise)


def _verr(builder: UnitBuilder) -> None:
    """Data, and code that is readable."""
    _emit(builder, "shr rbx, 32", "mov edx, ebx", "and edx, 0x1800", "cmp edx, 0x1000")
    data = builder.branch(_JE, _SAVED)
    _emit(builder, "and ebx, 0x1a00", "cmp ebx, 0x1a00")
    _refuse(builder, _JNE)
    builder.land(data)


def _verw(builder: UnitBuilder) -> None:
    """Writable data."""
    _emit(builder, "shr rbx, 32", "and ebx, 0x1a00", "cmp ebx, 0x1200")
    _refuse(builder, _JNE)


_ANSWERS = {
    Mnemonic.LAR: _lar,
    Mnemonic.LSL: _lsl,
    Mnemonic.VERR: _verr,
    Mnemonic.VERW: _verw,
}


def _put(builder: UnitBuilder, target: Any) -> None:
    """EDX to the first operand, or to where its value waits to be restored."""
    number, size = RegisterExt.number(target), RegisterExt.size(target)
    if number in _SAVED:
        width, source = ("word", "dx") if size == 2 else ("qword", "rdx")
        _emit(builder, f"mov {{gpr{number}:{width}}}, {source}")
    else:
        name, source = (
            register_name(number, min(size, 4)),
            register_name(RDX, min(size, 4)),
        )
        _emit(builder, f"mov {name}, {source}")


def _restore(builder: UnitBuilder) -> None:
    _emit(builder, "mov rbx, {gpr3}", "mov rdx, {gpr2}", "mov rcx, {gpr1}", "add al, 0x7f")
    builder.flags_in_rax = False
    builder.emit("sahf", saved=_SAVED)
    builder.emit("mov rax, {gpr0}", units=1, saved=_SAVED)
