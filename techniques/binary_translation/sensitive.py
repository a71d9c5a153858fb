"""Translation of sensitive instructions: sequences on the state page, or callouts.

A sequence leaves the guest's registers, flags and stack at every instruction of it so that they can be
restored from its mark; only its last instruction retires. POPF may use flags: its own load ends them.
NT is set by the VMM alone, which then has IRET call out.
"""

from __future__ import annotations

from iced_x86 import Code, Instruction, Mnemonic, Register, RegisterExt

from techniques.binary_translation.builder import RAX, RSP, UnitBuilder
from techniques.binary_translation.copying import register_name
from techniques.binary_translation.descriptor_checks import descriptor_check
from techniques.binary_translation.interrupt_return import interrupt_return
from techniques.binary_translation.port_accesses import port_in, port_out
from techniques.binary_translation.state_reads import (
    CONTROL,
    SELECTORS,
    Translate,
    shows,
    shows_table,
)
from techniques.binary_translation.system_return import system_return
from techniques.binary_translation.unit import Kind

_SEGMENTS = range(Register.ES, Register.GS + 1)
_IF_CLEAR = "mov {interrupts}, -0x200"
_TF_IOPL_NT = 0x7100


def rule(instruction: Instruction) -> Translate | None:
    """How to translate the instruction; None if it is to be copied."""
    if instruction.mnemonic == Mnemonic.MOV:
        return _move_rule(instruction)
    if instruction.mnemonic in _SEQUENCES:
        return _SEQUENCES[instruction.mnemonic]
    if instruction.mnemonic == Mnemonic.POP:
        return _callout if instruction.op0_register in _SEGMENTS else None
    return _callout if instruction.mnemonic in CALLOUTS else None


def is_callout(found: Translate | None) -> bool:
    """Whether by this rule the VMM performs the instruction in any case."""
    return found is _callout


def _move_rule(instruction: Instruction) -> Translate | None:
    source, target = instruction.op1_register, instruction.op0_register
    if source in CONTROL:
        return shows(CONTROL[source])
    if source in SELECTORS:
        return shows(SELECTORS[source])
    if target == Register.CR8:
        return _to_priority
    if target == Register.CR2:
        return _to_fault_address
    moves_to_system = RegisterExt.is_cr(target) or RegisterExt.is_dr(target) or target in _SEGMENTS
    return _callout if moves_to_system or RegisterExt.is_dr(source) else None


def _callout(builder: UnitBuilder, instruction: Instruction) -> bool:
    builder.callout(Kind.EMULATE, instruction)
    return instruction.mnemonic not in TRANSFERS


def _cli(builder: UnitBuilder, instruction: Instruction) -> bool:
    builder.emit(_IF_CLEAR, units=1)
    return True


def _sti(builder: UnitBuilder, instruction: Instruction) -> bool:
    builder.emit("mov {interrupts}, 0", units=1)
    builder.await_window(instruction.next_ip, shadow=not builder.shadow)
    return True


def _pushf(builder: UnitBuilder, instruction: Instruction) -> bool:
    if instruction.code != Code.PUSHFQ:
        return _callout(builder, instruction)
    saved = (0, 1)
    builder.emit("pushfq")
    builder.emit("mov {gpr0}, rax")
    builder.emit("mov {gpr1}, rcx")
    builder.emit("mov rax, qword ptr [rsp]", saved=saved)
    builder.emit("mov rcx, {interrupts}", saved=saved)
    builder.emit("lea rax, [rax + rcx]", saved=saved)
    builder.emit("mov rcx, {iopl}", saved=saved)
    builder.emit("lea rax, [rax + rcx]", saved=saved)
    builder.emit("mov qword ptr [rsp], rax", saved=saved)
    builder.emit("mov rcx, {gpr1}", saved=saved)
    builder.emit("mov rax, {gpr0}", units=1, saved=(0,))
    return True


def _popf(builder: UnitBuilder, instruction: Instruction) -> bool:
    if instruction.code != Code.POPFQ:
        return _callout(builder, instruction)
    saved = (RAX,)
    builder.emit("mov {gpr0}, rax")
    builder.emit("mov rax, qword ptr [rsp]")
    builder.emit(f"test eax, {_TF_IOPL_NT:#x}", saved=saved)
    builder.raw(b"\x74\x02", saved=saved)  # jz over the callout
    builder.callout(Kind.EMULATE, instruction, saved)
    builder.emit("and eax, 0x200", saved=saved)
    builder.emit("lea rax, [rax - 0x200]", saved=saved)
    builder.emit("mov {interrupts}, rax", saved=saved)
    builder.emit("mov {iopl}, 0", saved=saved)
    builder.emit("mov rax, {gpr0}", saved=saved)
    builder.emit("popfq", units=1)
    builder.await_window(instruction.next_ip, shadow=False)
    return True


def _alignment_check(change: str) -> Translate:
    """STAC or CLAC: POPF loads AC at any CPL, here from a stack on the state page."""

    def translate(builder: UnitBuilder, instruction: Instruction) -> bool:
        builder.emit("mov {gpr4}, rsp")
        for text in ("lea rsp, {frame_rsp}", "pushfq", change, "popfq"):
            builder.emit(text, saved=(RSP,))
        builder.emit("mov rsp, {gpr4}", units=1, saved=(RSP,))
        return True

    return translate


def _to_fault_address(builder: UnitBuilder, instruction: Instruction) -> bool:
    name = register_name(RegisterExt.number(instruction.op1_register), 8)
    builder.emit(f"mov {{cr2}}, {name}", units=1)
    return True


def _to_priority(builder: UnitBuilder, instruction: Instruction) -> bool:
    """MOV to CR8 of a legal value, while no interrupt waits that a lower priority might admit."""
    saved = (0, 1)
    builder.emit("mov {gpr0}, rax")
    builder.emit("mov {gpr1}, rcx")
    builder.emit(f"mov rcx, {register_name(RegisterExt.number(instruction.op1_register), 8)}")
    builder.emit("lahf", saved=saved)
    builder.emit("seto al", saved=saved)
    builder.flags_in_rax = True
    for check in ("test rcx, -16", "cmp {requests}, 0"):
        builder.emit(check, saved=saved)
        builder.raw(b"\x74\x02", saved=saved)  # jz over the callout
        builder.callout(Kind.EMULATE, instruction, saved)
    builder.emit("mov {cr8}, rcx", saved=saved)
    builder.emit("add al, 0x7f", saved=saved)
    builder.flags_in_rax = False
    builder.emit("sahf", saved=saved)
    builder.emit("mov rcx, {gpr1}", saved=saved)
    builder.emit("mov rax, {gpr0}", units=1, saved=saved)
    return True


_SEQUENCES: dict[int, Translate] = {
    Mnemonic.CLI: _cli,
    Mnemonic.STI: _sti,
    Mnemonic.PUSHFQ: _pushf,
    Mnemonic.PUSHF: _pushf,
    Mnemonic.POPFQ: _popf,
    Mnemonic.POPF: _popf,
    Mnemonic.STAC: _alignment_check("or dword ptr [rsp], 0x40000"),
    Mnemonic.CLAC: _alignment_check("and dword ptr [rsp], 0xfffbffff"),
    Mnemonic.IN: port_in,
    Mnemonic.OUT: port_out,
    Mnemonic.IRETQ: interrupt_return,
    Mnemonic.SYSRETQ: system_return,
    Mnemonic.LAR: descriptor_check,
    Mnemonic.LSL: descriptor_check,
    Mnemonic.VERR: descriptor_check,
    Mnemonic.VERW: descriptor_check,
    Mnemonic.SMSW: shows("cr0"),
    Mnemonic.SLDT: shows("ldtr"),
    Mnemonic.STR: shows("tr"),
    Mnemonic.SGDT: shows_table("gdt"),
    Mnemonic.SIDT: shows_table("idt"),
}


def _named(names: str) -> frozenset[int]:
    return frozenset(getattr(Mnemonic, name) for name in names.split())


TRANSFERS = _named(
    "IRET IRETD IRETQ RETF SYSRET SYSRETQ SYSEXIT SYSEXITQ SYSCALL INT INT3 INT1 HLT JMP CALL RET"
)
"""Callouts after which control seldom goes on behind the instruction."""

CALLOUTS = TRANSFERS | _named(
    "INSB INSW INSD OUTSB OUTSW OUTSD LMSW CLTS LGDT LIDT LLDT LTR "
    "LSS LFS LGS SWAPGS RDMSR WRMSR RDPMC INVLPG INVD WBINVD MONITOR MWAIT XSETBV"
)
"""What the VMM performs; of JMP, CALL and RET the far forms only."""


def holds_off_interrupts(instruction: Instruction) -> bool:
    """Whether interrupts wait for the end of the next instruction: after STI, and after loads of SS."""
    if instruction.mnemonic == Mnemonic.MOV:
        return instruction.op0_register == Register.SS
    return instruction.mnemonic in (Mnemonic.STI, Mnemonic.LSS)


UNDEFINED = _named("VMMCALL VMRUN VMLOAD VMSAVE STGI CLGI SKINIT INVLPGA SYSENTER")
"""#UD on the modelled processor."""
