"""The VMX instructions in VMX non-root operation: each exits (SDM vol. 3C 25.1.2).

The engine has none of them. It raises #UD after the opcode, so length and displacement are decoded here.
"""

from __future__ import annotations

import numpy as np

from hardware_model.executor import words as W
from hardware_model.executor.intrinsics import store8
from hardware_model.executor.operands import code_byte, opcode_offset
from hardware_model.executor.ports_and_syscall import supervisor_byte
from hardware_model.executor.state import U, set_word, word
from hardware_model.native import inner
from hardware_model.vmx.exit_reasons import Reason

LONGEST = 15
NONE = U(0)
_VMCALL, _VMLAUNCH, _VMRESUME, _VMXOFF = U(0xC1), U(0xC2), U(0xC3), U(0xC4)
_LOCK, _OPERAND_SIZE, _REPEAT = U(0xF0), U(0x66), U(0xF3)


@inner
def _load_code(w):
    """The bytes at the instruction, of which the engine's block holds only the first few."""
    pc = word(w, W.INSTRUCTION_PC)
    for i in range(LONGEST):
        at = w + U(8 * W.CODE) + U(i)
        store8(at, supervisor_byte(w, pc + U(i)))


@inner
def _has_prefix(w, opcode, prefix):
    found = False
    for i in range(opcode):
        found |= code_byte(w, i) == prefix
    return found


@inner
def _registers_only(second, third):
    """VMCALL, VMLAUNCH, VMRESUME and VMXOFF are 0F 01 C1 to C4."""
    if second != U(0x01):
        return NONE
    if third == _VMCALL:
        return U(Reason.VMCALL)
    if third == _VMLAUNCH:
        return U(Reason.VMLAUNCH)
    if third == _VMRESUME:
        return U(Reason.VMRESUME)
    return U(Reason.VMXOFF) if third == _VMXOFF else NONE


@inner
def _pointers(w, opcode, modrm):
    """VMPTRLD, VMCLEAR and VMXON are 0F C7 /6 without and with prefixes, VMPTRST is /7; memory operands only."""
    extension = (modrm >> U(3)) & U(7)
    if (modrm >> U(6)) == U(3) or extension < U(6):
        return NONE
    if extension == U(7):
        return U(Reason.VMPTRST)
    if _has_prefix(w, opcode, _REPEAT):
        return U(Reason.VMXON)
    return U(Reason.VMCLEAR) if _has_prefix(w, opcode, _OPERAND_SIZE) else U(Reason.VMPTRLD)


@inner
def _displacement(w, at, size):
    value = U(0)
    for k in range(size):
        value |= code_byte(w, at + k) << U(8 * k)
    if size == 1:
        return U(np.int64(np.int8(value)))
    if size == 4:
        return U(np.int64(np.int32(value)))
    return value


@inner
def _note_operand(w, at):
    """Set the length, and the qualification: the displacement of the ModRM operand at code offset `at`."""
    modrm = code_byte(w, at)
    mod, rm = modrm >> U(6), modrm & U(7)
    at += 1
    size = 0
    if mod == U(1):
        size = 1
    elif mod == U(2):
        size = 4
    if mod != U(3) and rm == U(4):
        if mod == U(0) and (code_byte(w, at) & U(7)) == U(5):
            size = 4
        at += 1
    relative = mod == U(0) and rm == U(5)
    if relative:
        size = 4
    displacement = _displacement(w, at, size)
    length = U(at + size)
    if relative:
        displacement += word(w, W.INSTRUCTION_PC) + length
    set_word(w, W.INSTRUCTION_LENGTH, length)
    set_word(w, W.EVENT_QUALIFICATION, displacement)


@inner
def vmx_instruction(w):
    """Exit reason of the VMX instruction at hand, with its length and qualification noted; 0 for any other opcode."""
    set_word(w, W.EVENT_QUALIFICATION, U(0))
    if word(w, W.INSTRUCTION_LENGTH) == U(0):
        return NONE  # a #UD of a delivery
    _load_code(w)
    i, _, _ = opcode_offset(w)
    if code_byte(w, i) != U(0x0F) or _has_prefix(w, i, _LOCK):
        return NONE
    second, third = code_byte(w, i + 1), code_byte(w, i + 2)
    reason = _registers_only(second, third)
    if reason != NONE:
        set_word(w, W.INSTRUCTION_LENGTH, U(i + 3))
        return reason
    if second == U(0x38):
        if not _has_prefix(w, i, _OPERAND_SIZE) or (code_byte(w, i + 3) >> U(6)) == U(3):
            return NONE
        reason = (
            U(Reason.INVEPT)
            if third == U(0x80)
            else U(Reason.INVVPID)
            if third == U(0x81)
            else NONE
        )
        i += 1
    elif second == U(0xC7):
        reason = _pointers(w, i, third)
    elif second == U(0x78):
        reason = U(Reason.VMREAD)
    elif second == U(0x79):
        reason = U(Reason.VMWRITE)
    if reason != NONE:
        _note_operand(w, i + 2)
    return reason
