"""Translation of IRETQ: from one place of the kernel to another, or to user code, in the cache.

The sequence serves a return that keeps CS and SS, or that goes to user code with IF set by the segments of the
last such return. It must set no flag that needs the VMM, and admit no interrupt that waits; NT must be
clear. Everything else calls out. The guest's flags stand in RAX while flags are used for the checks.
"""

from __future__ import annotations

from iced_x86 import Code, Instruction

from techniques.binary_translation.builder import RAX, RCX, UnitBuilder
from techniques.binary_translation.unit import Kind

_JNE = 0x85
RIP_AT, CS_AT, FLAGS_AT, RSP_AT, SS_AT = 0, 8, 16, 24, 32
NEEDS_VMM, IF = 0x1B7100, 0x200
"""TF, IOPL, NT, RF, VM, VIF, VIP."""


def interrupt_return(builder: UnitBuilder, instruction: Instruction) -> bool:
    """IRET; the unit ends."""
    if instruction.code != Code.IRETQ:
        builder.callout(Kind.EMULATE, instruction)
        return False
    saved = (RAX, RCX)
    builder.emit("mov {gpr0}, rax")
    builder.emit("mov {gpr1}, rcx")
    for at in (RIP_AT, CS_AT, FLAGS_AT, RSP_AT, SS_AT):  # whatever faults, faults here
        builder.emit(f"mov rcx, qword ptr [rsp + {at}]", saved=(RCX,))
    builder.emit("lahf", saved=saved)
    builder.emit("seto al", saved=saved)
    builder.flags_in_rax = True
    builder.emit("cmp cx, {ss:word}", saved=saved)
    to_user = builder.branch(_JNE, saved)
    builder.emit(f"mov ecx, dword ptr [rsp + {CS_AT}]", saved=saved)
    builder.emit("cmp cx, {cs:word}", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.emit(f"test dword ptr [rsp + {FLAGS_AT}], {NEEDS_VMM:#x}", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.emit("cmp {iret_asks}, 0", saved=saved)
    _unless_equal(builder, instruction, saved)
    if builder.fence is not None:
        builder.emit(f"mov rcx, qword ptr [rsp + {RSP_AT}]", saved=saved)
        builder.fence.check_new_stack(builder, instruction, saved)
    builder.flags_in_rax = False
    _transfer(builder, saved)
    builder.flags_in_rax = True
    builder.land(to_user)
    _to_user(builder, instruction, saved)
    return False


def _to_user(builder: UnitBuilder, instruction: Instruction, saved: tuple[int, ...]) -> None:
    """RCX holds SS of the frame."""
    builder.emit("cmp cx, {user_ss:word}", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.emit(f"mov ecx, dword ptr [rsp + {CS_AT}]", saved=saved)
    builder.emit("cmp cx, {user_cs:word}", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.emit(f"mov ecx, dword ptr [rsp + {FLAGS_AT}]", saved=saved)
    builder.emit(f"and ecx, {NEEDS_VMM | IF:#x}", saved=saved)
    builder.emit(f"cmp ecx, {IF:#x}", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.emit("cmp {iret_asks}, 0", saved=saved)
    _unless_equal(builder, instruction, saved)
    for name in ("user_code", "user_data"):
        builder.emit(f"mov rcx, {{{name}_at}}", saved=saved)
        builder.emit("mov rcx, qword ptr [rcx]", saved=saved)
        builder.emit(f"cmp rcx, {{{name}}}", saved=saved)
        _unless_equal(builder, instruction, saved)
    builder.flags_in_rax = False
    builder.emit("mov {interrupts}, 0", saved=saved)
    builder.emit("mov {iopl}, 0", saved=saved)
    builder.emit("mov rcx, {gpr1}", saved=saved)
    builder.emit("mov rax, {gpr0}", saved=(RAX,))
    builder.emit("iretq", units=1)


def _unless_equal(builder: UnitBuilder, instruction: Instruction, saved: tuple[int, ...]) -> None:
    builder.raw(b"\x74\x02", saved=saved)  # je over the callout
    builder.callout(Kind.EMULATE, instruction, saved)


def _transfer(builder: UnitBuilder, saved: tuple[int, ...]) -> None:
    """Nothing can fault any more."""
    builder.emit(f"mov ecx, dword ptr [rsp + {FLAGS_AT}]", saved=saved)
    builder.emit("and ecx, 0x200", saved=saved)
    builder.emit("lea rcx, [rcx - 0x200]", saved=saved)
    builder.emit("mov {interrupts}, rcx", saved=saved)
    builder.emit("mov {iopl}, 0", saved=saved)
    builder.emit(f"mov rcx, qword ptr [rsp + {RIP_AT}]", saved=saved)
    builder.emit(f"lea rsp, [rsp + {FLAGS_AT}]", saved=saved)
    builder.emit("popfq", saved=saved)
    builder.emit("mov rsp, qword ptr [rsp]", saved=saved)
    builder.indirect()
