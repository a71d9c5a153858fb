"""Translation of IRETQ: from one place of the kernel to another in the cache, to user code by a callout.

The sequence serves a return that keeps CS and SS, sets no flag that needs the VMM, and cannot admit an
interrupt that waits; NT must be clear. The flags it uses for its checks stand in RAX meanwhile.
"""

from __future__ import annotations

from iced_x86 import Code, Instruction

from techniques.binary_translation.builder import RAX, RCX, UnitBuilder
from techniques.binary_translation.unit import Kind

RIP_AT, CS_AT, FLAGS_AT, RSP_AT, SS_AT = 0, 8, 16, 24, 32
_NEEDS_VMM = 0x1B7100
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
    _unless_equal(builder, instruction, saved)
    builder.emit(f"mov ecx, dword ptr [rsp + {CS_AT}]", saved=saved)
    builder.emit("cmp cx, {cs:word}", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.emit(f"test dword ptr [rsp + {FLAGS_AT}], {_NEEDS_VMM:#x}", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.emit("cmp {iret_asks}, 0", saved=saved)
    _unless_equal(builder, instruction, saved)
    builder.flags_in_rax = False
    _transfer(builder, saved)
    return False


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
