"""Translation of control transfers: each ends its unit.

Direct transfers become jumps that are linked to the target's unit once there is one. Indirect ones go
through the lookup table. A CALL pushes the guest's return address, so the guest's stack holds nothing
that it would not hold natively.
"""

from __future__ import annotations

from iced_x86 import FlowControl, Instruction, MemorySizeExt, Mnemonic, OpKind, RegisterExt

from techniques.binary_translation.builder import RAX, RCX, UnitBuilder, fits_signed
from techniques.binary_translation.copying import load_rcx

_LOOPS = frozenset({Mnemonic.LOOP, Mnemonic.LOOPE, Mnemonic.LOOPNE, Mnemonic.JRCXZ, Mnemonic.JECXZ})
_NEAR = (OpKind.NEAR_BRANCH64,)
_JUMP_BYTES = 5


def ends_unit(instruction: Instruction) -> bool:
    """Whether control does not simply go on behind the instruction."""
    return instruction.flow_control in _TRANSLATIONS and not is_far(instruction)


def is_far(instruction: Instruction) -> bool:
    """Far transfers, IRET, SYSRET and 16-bit forms: left to the VMM."""
    if instruction.flow_control == FlowControl.RETURN:
        return instruction.mnemonic != Mnemonic.RET or _operand_bytes(instruction) != 8
    if instruction.flow_control in (FlowControl.INDIRECT_BRANCH, FlowControl.INDIRECT_CALL):
        return (
            _operand_bytes(instruction) != 8
            or instruction.is_jmp_far_indirect
            or (instruction.is_call_far_indirect)
        )
    return instruction.op0_kind not in _NEAR


def _operand_bytes(instruction: Instruction) -> int:
    if instruction.flow_control == FlowControl.RETURN:
        return abs(instruction.stack_pointer_increment - _released(instruction))
    if instruction.op0_kind == OpKind.REGISTER:
        return RegisterExt.size(instruction.op0_register)
    return MemorySizeExt.size(instruction.memory_size)


def _released(instruction: Instruction) -> int:
    return int(instruction.immediate16) if instruction.op_count else 0


def translate(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    """Emit a near control transfer."""
    _TRANSLATIONS[instruction.flow_control](builder, instruction, code)


def _jump(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    builder.jump(instruction.near_branch_target, 1)


def _conditional(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    target, following = instruction.near_branch_target, instruction.next_ip
    if instruction.mnemonic in _LOOPS:
        prefix = code[:-2]
        builder.raw(prefix + code[-2:-1] + bytes([_JUMP_BYTES]), 1)
        builder.guest = following
        builder.jump(following, 0)
        builder.guest = target
        builder.jump(target, 0)
        return
    condition = code[-2] & 15 if instruction.is_jcc_short else code[-5] & 15
    builder.jump(target, 1, bytes([0x0F, 0x80 | condition]))
    builder.guest = following
    builder.jump(following, 0, counted=False)


def _push_return(builder: UnitBuilder, address: int, saved: tuple[int, ...]) -> None:
    """Push the guest's return address; RAX has been saved if `saved` is not empty."""
    if fits_signed(address):
        builder.emit("push #", address, saved=saved)
        return
    if not saved:
        builder.emit("mov {gpr0}, rax")
    saved = tuple({*saved, RAX})
    builder.emit("movabs rax, #", address, saved=saved)
    builder.emit("push rax", saved=saved)


def _call(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    _push_return(builder, instruction.next_ip, ())
    if not fits_signed(instruction.next_ip):
        builder.emit("mov rax, {gpr0}", saved=(RAX,))
    builder.jump(instruction.near_branch_target, 1)


def _save_for_lookup(builder: UnitBuilder) -> None:
    builder.emit("mov {gpr0}, rax")
    builder.emit("mov {gpr1}, rcx")


def _indirect_jump(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    _save_for_lookup(builder)
    load_rcx(builder, instruction)
    builder.indirect()


def _indirect_call(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    _save_for_lookup(builder)
    load_rcx(builder, instruction)
    _push_return(builder, instruction.next_ip, (RCX,))
    builder.indirect()


def _return(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
    _save_for_lookup(builder)
    builder.emit("mov rcx, qword ptr [rsp]")
    released = 8 + _released(instruction)
    text = "lea rsp, [rsp + 8]" if released == 8 else "lea rsp, [rsp + #]"
    builder.emit(text, released, saved=(RAX, RCX))
    builder.indirect()


_TRANSLATIONS = {
    FlowControl.UNCONDITIONAL_BRANCH: _jump,
    FlowControl.CONDITIONAL_BRANCH: _conditional,
    FlowControl.CALL: _call,
    FlowControl.RETURN: _return,
    FlowControl.INDIRECT_BRANCH: _indirect_jump,
    FlowControl.INDIRECT_CALL: _indirect_call,
}
