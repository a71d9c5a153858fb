"""Translation of IN and OUT.

Ports of the virtual chipset whose reading has no effect lie in a table, where an IN of a byte finds them. Where ports
are open to the guest, an access by DX is looked up in that table too, and performed in the cache (see `open_ports`).
"""

from __future__ import annotations

from iced_x86 import Code, Instruction, OpKind, Register

from techniques.binary_translation.builder import BETWEEN_UNITS, RAX, RCX, UnitBuilder
from techniques.binary_translation.unit import Kind

HELD, ASKS, OPEN = range(3)
"""What the table says of a port: its value is in the next table; the VMM performs accesses; they need no VMM."""
_JRCXZ, _JMP = 0xE3, 0xEB
_OVER_CALLOUT = bytes([_JRCXZ, 2])
_SAVED = (RAX, RCX)
_BY_DX = {
    Code.IN_AL_DX: b"\xec",
    Code.IN_AX_DX: b"\x66\xed",
    Code.IN_EAX_DX: b"\xed",
    Code.OUT_DX_AL: b"\xee",
    Code.OUT_DX_AX: b"\x66\xef",
    Code.OUT_DX_EAX: b"\xef",
}
ACCESSES = frozenset(_BY_DX.values())


def port_in(builder: UnitBuilder, instruction: Instruction) -> bool:
    """IN: of a byte in the cache, of an open port by itself, else by a callout."""
    fixed = instruction.op1_kind == OpKind.IMMEDIATE8
    if instruction.op0_register != Register.AL:
        return _open_or_callout(builder, instruction, fixed=fixed)
    if fixed:
        return _in_fixed(builder, instruction)
    _look_up(builder)
    if not builder.open_ports:
        builder.raw(_OVER_CALLOUT, saved=_SAVED)
        builder.callout(Kind.EMULATE, instruction, _SAVED)
        _take_held(builder)
        return True
    held = builder.raw(bytes([_JRCXZ, 0]), saved=_SAVED)
    _perform(builder, instruction)
    end = _jump_behind(builder, instruction)
    builder.land_short(held)
    _take_held(builder)
    builder.land_short(end)
    return True


def _take_held(builder: UnitBuilder) -> None:
    """AL from the table of values, by the port in RAX."""
    builder.emit("lea rcx, {port_values}", saved=_SAVED)
    builder.emit("movzx ecx, byte ptr [rcx + rax]", saved=_SAVED)
    builder.emit("mov rax, {gpr0}", saved=_SAVED)
    builder.emit("mov al, cl", saved=_SAVED)
    builder.emit("mov rcx, {gpr1}", units=1, saved=_SAVED)


def port_out(builder: UnitBuilder, instruction: Instruction) -> bool:
    """OUT: to an open port by itself, else by a callout."""
    return _open_or_callout(builder, instruction, fixed=instruction.op0_kind == OpKind.IMMEDIATE8)


def _open_or_callout(builder: UnitBuilder, instruction: Instruction, *, fixed: bool) -> bool:
    """An access of which the table holds no value; `fixed`: its port stands in the instruction."""
    if fixed or not builder.open_ports:
        builder.callout(Kind.EMULATE, instruction)
    else:
        _look_up(builder)
        _perform(builder, instruction)
    return True


def _look_up(builder: UnitBuilder) -> None:
    """What the table says of the port in DX, into RCX; the port into RAX."""
    builder.emit("mov {gpr0}, rax")
    builder.emit("mov {gpr1}, rcx")
    builder.emit("movzx eax, dx", saved=_SAVED)
    builder.emit("lea rcx, {port_asks}", saved=_SAVED)
    builder.emit("movzx ecx, byte ptr [rcx + rax]", saved=_SAVED)


def _perform(builder: UnitBuilder, instruction: Instruction) -> None:
    """The access itself, if the port is open."""
    builder.emit(f"lea rcx, [rcx - {OPEN}]", saved=_SAVED)
    builder.raw(_OVER_CALLOUT, saved=_SAVED)
    builder.callout(Kind.EMULATE, instruction, _SAVED)
    builder.emit("mov rcx, {gpr1}", saved=_SAVED)
    builder.emit("mov rax, {gpr0}", saved=(RAX,))
    builder.raw(_BY_DX[instruction.code], units=1)


def _jump_behind(builder: UnitBuilder, instruction: Instruction) -> int:
    """A jump over the rest of the translation: the instruction is done. Returns where it stands."""
    here = builder.guest, builder.shadow
    builder.guest, builder.shadow = instruction.next_ip, False
    at = builder.raw(bytes([_JMP, 0]), units=BETWEEN_UNITS)
    builder.guest, builder.shadow = here
    return at


def _in_fixed(builder: UnitBuilder, instruction: Instruction) -> bool:
    port, saved = instruction.immediate8, (1,)
    builder.emit("mov {gpr1}, rcx")
    builder.emit(f"movzx ecx, {{port_asks+{port:#x}:byte}}", saved=saved)
    builder.raw(b"\xe3\x02", saved=saved)  # jrcxz over the callout
    builder.callout(Kind.EMULATE, instruction, saved)
    builder.emit("mov rcx, {gpr1}", saved=saved)
    builder.emit(f"mov al, {{port_values+{port:#x}:byte}}", units=1)
    return True
