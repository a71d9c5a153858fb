"""Faults of memory accesses as the processor reports them, where the engine reports them otherwise.

The engine loads the memory operand of a read-modify-write instruction before it stores, so its page
fault would be one of a read. It knows neither stack faults in 64-bit mode nor that a jump to a
non-canonical address faults before RIP changes.
"""

from __future__ import annotations

import numpy as np

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.blocks import code_address, instruction_start
from hardware_model.executor.corrections import rewind
from hardware_model.executor.intrinsics import load8, load16, load32, load64, store32, store64
from hardware_model.executor.operands import code_byte, load_code, opcode_offset
from hardware_model.executor.state import U, set_word, word
from hardware_model.native import inner

I = W.Intercept
STACK_FAULT, GENERAL_PROTECTION, PAGE_FAULT = (U(I.EXCEPTION + n) for n in (12, 13, 14))
WRITE, FETCH = U(2), U(16)  # bits of a page fault's error code
EPT_READ, EPT_WRITE, EPT_TRANSLATION = U(1), U(2), U(1 << 8)
REX_B = U(1)


@inner
def canonical(address):
    upper = address >> U(47)
    return upper == U(0) or upper == U(0x1FFFF)


@inner
def _modifies_memory_short(opcode, extension):
    """Of one-byte opcodes: whether the memory operand is read and written."""
    if opcode < U(0x40):
        return (opcode & U(6)) == U(0) and (opcode >> U(3)) != U(7)
    if opcode >= U(0x80) and opcode <= U(0x83):
        return extension != U(7)
    if opcode == U(0x86) or opcode == U(0x87) or (opcode & U(0xEE)) == U(0xC0):
        return True
    if opcode >= U(0xD0) and opcode <= U(0xD3):
        return True
    if opcode == U(0xF6) or opcode == U(0xF7):
        return extension == U(2) or extension == U(3)
    return (opcode == U(0xFE) or opcode == U(0xFF)) and extension <= U(1)


@inner
def _modifies_memory_long(opcode, extension):
    """Of opcodes after 0F: as above."""
    if opcode == U(0xA4) or opcode == U(0xA5) or opcode == U(0xAC) or opcode == U(0xAD):
        return True
    if opcode == U(0xAB) or opcode == U(0xB3) or opcode == U(0xBB):
        return True
    if opcode == U(0xB0) or opcode == U(0xB1) or opcode == U(0xC0) or opcode == U(0xC1):
        return True
    if opcode == U(0xBA):
        return extension >= U(5)
    return opcode == U(0xC7) and extension == U(1)


@inner
def modifies_memory(w):
    """Whether the instruction at hand reads and writes its memory operand."""
    i, _, _ = opcode_offset(w)
    opcode = code_byte(w, i)
    if opcode == U(0x0F):
        return _modifies_memory_long(code_byte(w, i + 1), (code_byte(w, i + 2) >> U(3)) & U(7))
    return _modifies_memory_short(opcode, (code_byte(w, i + 1) >> U(3)) & U(7))


@inner
def _stack_base(w, at, rex):
    """Whether the ModRM operand at code offset `at` has RSP or RBP as its base."""
    modrm = code_byte(w, at)
    mod, rm = modrm >> U(6), modrm & U(7)
    if mod == U(3) or (rex & REX_B) != U(0):
        return False
    if rm == U(4):
        rm = code_byte(w, at + 1) & U(7)
        return rm == U(4) or (rm == U(5) and mod != U(0))
    return rm == U(5) and mod != U(0)


@inner
def _implicit_stack(opcode):
    """PUSH, POP, CALL, RET, ENTER, LEAVE, PUSHF, POPF, IRET."""
    if opcode >= U(0x50) and opcode <= U(0x5F):
        return True
    if opcode == U(0x68) or opcode == U(0x6A) or opcode == U(0x9C) or opcode == U(0x9D):
        return True
    if opcode == U(0xC2) or opcode == U(0xC3) or opcode == U(0xE8) or opcode == U(0xCF):
        return True
    return opcode >= U(0xC8) and opcode <= U(0xCB)


@inner
def _has_operand(opcode):
    """Whether a one-byte opcode is followed by a ModRM byte."""
    if opcode < U(0x40):
        return (opcode & U(7)) < U(4)
    if opcode >= U(0x80) and opcode <= U(0x8F):
        return True
    if opcode == U(0x63) or opcode == U(0x69) or opcode == U(0x6B):
        return True
    if (opcode & U(0xFE)) == U(0xC0) or (opcode & U(0xFE)) == U(0xC6):
        return True
    if (opcode >= U(0xD0) and opcode <= U(0xD3)) or (opcode & U(0xF8)) == U(0xD8):
        return True
    return (opcode & U(0xF6)) == U(0xF6)


@inner
def accesses_stack(w):
    """Whether the instruction at hand reached the address through SS; with an FS or GS prefix none does."""
    i, rex, _ = opcode_offset(w)
    for prefix in range(i):
        if (code_byte(w, prefix) & U(0xFE)) == U(0x64):
            return False
    opcode = code_byte(w, i)
    if opcode == U(0x0F):
        second = code_byte(w, i + 1)
        if (second & U(0xF6)) == U(0xA0):  # PUSH and POP of FS and GS
            return True
        longer = second == U(0x38) or second == U(0x3A)
        return _stack_base(w, i + 3 if longer else i + 2, rex)
    if _implicit_stack(opcode):
        return True
    if not _has_operand(opcode):
        return False
    stack_pointer = load64(word(w, W.ENV) + U(32))
    pushes = opcode == U(0x8F) or opcode == U(0xFF)
    return (pushes and not canonical(stack_pointer)) or _stack_base(w, i + 1, rex)


@inner
def _amended_exception(w, code):
    if code == PAGE_FAULT:
        at = word(w, W.ENV) + U(L.ENV_ERROR_CODE)
        error = load32(at)
        if (error & (WRITE | FETCH)) == U(0) and word(w, W.INSTRUCTION_LENGTH) != U(0):
            load_code(w)
            if modifies_memory(w):
                store32(at, error | WRITE)
    elif code == GENERAL_PROTECTION and word(w, W.NOT_CANONICAL) != U(0):
        set_word(w, W.NOT_CANONICAL, U(0))
        if word(w, W.INSTRUCTION_LENGTH) == U(0):
            return STACK_FAULT  # a push of a delivery
        load_code(w)
        if accesses_stack(w):
            return STACK_FAULT
    return code


@inner
def amended(w, code):
    """The intercept that the processor has in place of `code`, for the instruction at hand."""
    if code >= U(I.EXCEPTION) and code < U(I.INTR):
        return _amended_exception(w, code)
    if code == U(I.EPT_VIOLATION) and word(w, W.INSTRUCTION_LENGTH) != U(0):
        violation = word(w, W.EVENT_QUALIFICATION)
        reads = violation & (EPT_READ | EPT_WRITE | EPT_TRANSLATION)
        if reads == (EPT_READ | EPT_TRANSLATION) and modifies_memory(w):
            set_word(w, W.EVENT_QUALIFICATION, violation | EPT_WRITE)
    return code


@inner
def _branch_opcode(w, tb, at):
    """(opcode, byte behind it, byte behind that) of the near branch at linear address `at`."""
    opcode = load8(code_address(w, tb, at))
    while (opcode & U(0xF0)) == U(0x40) or opcode == U(0xF2) or opcode == U(0xF3):
        at += U(1)
        opcode = load8(code_address(w, tb, at))
    low = load8(code_address(w, tb, at + U(1)))
    return opcode, low, load8(code_address(w, tb, at + U(2)))


@inner
def back_to_branch(w):
    """The near jump, call or return that ended the current block has a non-canonical target: it faults itself."""
    env, tb = word(w, W.ENV), word(w, W.CURRENT_TB)
    if tb == U(0):
        return
    start = instruction_start(tb, np.int64(load16(tb + U(L.TB_ICOUNT))) - 1)
    opcode, low, high = _branch_opcode(w, tb, start)
    stack, extension = env + U(32), (low >> U(3)) & U(7)
    if opcode == U(0xC3):
        store64(stack, load64(stack) - U(8))
    elif opcode == U(0xC2):
        store64(stack, load64(stack) - U(8) - (low | (high << U(8))))
    elif opcode == U(0xFF) and extension == U(2):
        store64(stack, load64(stack) + U(8))
    elif opcode != U(0xFF) or extension != U(4):
        return
    rewind(w, start)
    store64(env + U(L.ENV_EIP), start)
