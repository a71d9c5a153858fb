"""Translation of SYSRET: an IRET from a frame on the state page.

SYSRET itself needs CPL 0. The sequence serves a return to 64-bit code that keeps IF set and sets no flag
that needs the VMM, while no interrupt waits; see `user_returns` for the segments.
"""

from __future__ import annotations

from iced_x86 import Code, Instruction

from techniques.binary_translation.builder import RAX, RSP, UnitBuilder
from techniques.binary_translation.interrupt_return import IF, NEEDS_VMM
from techniques.binary_translation.unit import Kind

_LOADED = 0x3C7FD7


def system_return(builder: UnitBuilder, instruction: Instruction) -> bool:
    """SYSRET; the unit ends."""
    if instruction.code != Code.SYSRETQ:
        builder.callout(Kind.EMULATE, instruction)
        return False
    saved = (RAX,)
    builder.emit("mov {gpr0}, rax")
    builder.emit("lahf", saved=saved)
    builder.emit("seto al", saved=saved)
    builder.flags_in_rax = True
    for check, met in (
        (f"test r11d, {NEEDS_VMM:#x}", b"\x74\x02"),
        (f"test r11d, {IF:#x}", b"\x75\x02"),
        ("cmp {sysret_asks}, 0", b"\x74\x02"),
    ):
        builder.emit(check, saved=saved)
        builder.raw(met, saved=saved)  # over the callout
        builder.callout(Kind.EMULATE, instruction, saved)
    builder.flags_in_rax = False
    builder.emit("mov eax, r11d", saved=saved)
    builder.emit(f"and eax, {_LOADED:#x}", saved=saved)
    builder.emit("mov {frame_flags}, rax", saved=saved)
    builder.emit("mov rax, {gpr0}", saved=saved)
    builder.emit("mov {frame_rip}, rcx")
    builder.emit("mov {frame_rsp}, rsp")
    builder.emit("mov {gpr4}, rsp")
    builder.emit("mov {interrupts}, 0")
    builder.emit("mov {iopl}, 0")
    builder.emit("lea rsp, {frame_rip}", saved=(RSP,))
    builder.emit("iretq", units=1, saved=(RSP,))
    return False
