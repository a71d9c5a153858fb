"""Operands of the few instructions that the native layer completes itself: decoded from the code bytes at the event."""

from __future__ import annotations

import numpy as np

from hardware_model.executor import layout as L
from hardware_model.executor import words as W
from hardware_model.executor.blocks import code_address
from hardware_model.executor.intrinsics import load8, load32, load64, store8
from hardware_model.executor.state import U, word
from hardware_model.native import inner


@inner
def load_code(w):
    """Copy the code of the instruction of the last event into the state words, for `code_byte`."""
    block, pc = word(w, W.LAST_TB), word(w, W.INSTRUCTION_PC)
    for i in range(np.int64(word(w, W.INSTRUCTION_LENGTH))):
        store8(w + U(8 * W.CODE) + U(i), load8(code_address(w, block, pc + U(i))))


@inner
def code_byte(w, offset):
    """Byte `offset` of the instruction that `load_code` copied."""
    return load8(w + U(8 * W.CODE) + U(offset))


@inner
def opcode_offset(w):
    """(offset of the first opcode byte, REX prefix or 0, segment base selected by an FS or GS prefix)."""
    i = 0
    rex = U(0)
    base = U(0)
    env = word(w, W.ENV)
    while i < 14:
        b = code_byte(w, i)
        if b == U(0x64) or b == U(0x65):
            base = load64(env + U(L.ENV_SEGS + 8) + U(L.SEGMENT_BYTES) * (b - U(0x60)))
        elif (b & U(0xF0)) == U(0x40):
            rex = b
        elif (
            b != U(0x66)
            and b != U(0x67)
            and (b & U(0xFC)) != U(0xF0)
            and (b & U(0xE7)) != U(0x26)  # ES, CS, SS and DS prefixes mean nothing
        ) or b == U(0xF1):
            break
        i += 1
    return i, rex, base


@inner
def last_opcode(w):
    """The second byte of a two-byte opcode."""
    i, _, _ = opcode_offset(w)
    return code_byte(w, i + 1)


@inner
def modrm_registers(w):
    """(reg, rm) of a two-byte-opcode instruction with register operands, REX extended."""
    i, rex, _ = opcode_offset(w)
    modrm = code_byte(w, i + 2)
    reg = ((modrm >> U(3)) & U(7)) | ((rex & U(4)) << U(1))
    rm = (modrm & U(7)) | ((rex & U(1)) << U(3))
    return reg, rm


@inner
def _signed(w, at, size):
    value = U(0)
    for k in range(size):
        value |= code_byte(w, at + k) << U(8 * k)
    if size == 1:
        return U(np.int64(np.int8(value)))
    return U(np.int64(np.int32(value)))


@inner
def _register(w, number):
    return load64(word(w, W.ENV) + U(8) * number)


@inner
def memory_address(w, opcode_bytes):
    """Linear address of the ModRM memory operand of an instruction with `opcode_bytes` opcode bytes
    (64-bit addressing).
    """
    i, rex, base = opcode_offset(w)
    at = i + opcode_bytes
    modrm = code_byte(w, at)
    at += 1
    mod = modrm >> U(6)
    rm = modrm & U(7)
    address = base
    if rm == U(4):
        sib = code_byte(w, at)
        at += 1
        index = ((sib >> U(3)) & U(7)) | ((rex & U(2)) << U(2))
        if index != U(4):
            address += _register(w, index) << (sib >> U(6))
        rm = sib & U(7)
        if rm == U(5) and mod == U(0):
            return address + _signed(w, at, 4)
    elif rm == U(5) and mod == U(0):
        return (
            address + word(w, W.INSTRUCTION_PC) + word(w, W.INSTRUCTION_LENGTH) + _signed(w, at, 4)
        )
    address += _register(w, rm | ((rex & U(1)) << U(3)))
    if mod == U(1):
        address += _signed(w, at, 1)
    elif mod == U(2):
        address += _signed(w, at, 4)
    return address


@inner
def current_privilege(w):
    """CPL."""
    return load32(word(w, W.ENV) + U(L.ENV_HFLAGS)) & U(3)
