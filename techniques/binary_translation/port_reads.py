"""Translation of IN: ports of the virtual chipset whose reading has no effect lie in a table."""

from __future__ import annotations

from iced_x86 import Instruction, OpKind, Register

from techniques.binary_translation.builder import UnitBuilder
from techniques.binary_translation.unit import Kind


def port_in(builder: UnitBuilder, instruction: Instruction) -> bool:
    """IN: of a byte in the cache, else by a callout."""
    if instruction.op0_register != Register.AL:
        builder.callout(Kind.EMULATE, instruction)
        return True
    if instruction.op1_kind == OpKind.IMMEDIATE8:
        return _in_fixed(builder, instruction)
    saved = (0, 1)
    builder.emit("mov {gpr0}, rax")
    builder.emit("mov {gpr1}, rcx")
    builder.emit("movzx eax, dx", saved=saved)
    builder.emit("lea rcx, {port_asks}", saved=saved)
    builder.emit("movzx ecx, byte ptr [rcx + rax]", saved=saved)
    builder.raw(b"\xe3\x02", saved=saved)  # jrcxz over the callout
    builder.callout(Kind.EMULATE, instruction, saved)
    builder.emit("lea rcx, {port_values}", saved=saved)
    builder.emit("movzx ecx, byte ptr [rcx + rax]", saved=saved)
    builder.emit("mov rax, {gpr0}", saved=saved)
    builder.emit("mov al, cl", saved=saved)
    builder.emit("mov rcx, {gpr1}", units=1, saved=saved)
    return True


def _in_fixed(builder: UnitBuilder, instruction: Instruction) -> bool:
    port, saved = instruction.immediate8, (1,)
    builder.emit("mov {gpr1}, rcx")
    builder.emit(f"movzx ecx, {{port_asks+{port:#x}:byte}}", saved=saved)
    builder.raw(b"\xe3\x02", saved=saved)  # jrcxz over the callout
    builder.callout(Kind.EMULATE, instruction, saved)
    builder.emit("mov rcx, {gpr1}", saved=saved)
    builder.emit(f"mov al, {{port_values+{port:#x}:byte}}", units=1)
    return True
