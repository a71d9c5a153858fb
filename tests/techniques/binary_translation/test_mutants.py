"""Broken translators are caught: each mutant makes a program of the short corpus end otherwise than natively.

The corpus is random kernel programs of the fuzzer and a few that rewrite, remap or leave their code. A
mutant that makes the VMM itself give up is caught as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from iced_x86 import Instruction, Mnemonic

import techniques
import workloads
from techniques.binary_translation import builder as building
from techniques.binary_translation import (
    control_flow,
    copying,
    descriptor_checks,
    sensitive,
    templates,
    translator,
    user_returns,
)
from techniques.binary_translation.builder import UnitBuilder
from techniques.binary_translation.code_frames import CodeFrames
from techniques.binary_translation.translation_cache import TranslationCache
from techniques.binary_translation.unit import Mark
from techniques.binary_translation.vmm import BinaryTranslation
from tests.proofs.figures import counted
from tests.techniques.binary_translation.conftest import differences
from tests.techniques.binary_translation.sequences import program
from tests.techniques.binary_translation.test_user_returns import (
    GATE,
    ROUNDS,
    USER_DATA_ACCESS,
    to_user,
)

SEEDS, REMAPS = range(2300, 2340), "code/remapped-page"
Patch = Callable[[pytest.MonkeyPatch], None]

REWRITES_ITSELF = "mov ecx, 20\nnext:\nmov byte ptr [rip + patched + 1], cl\njmp patched\npatched:\nmov al, 0\nadd rbx, rax\nloop next\n"
LEAVES = to_user() + (
    f"entry: inc rbx\ncmp rbx, 5\njne on\nmov byte ptr [{USER_DATA_ACCESS - (1 << 64)}], 0x73\non:\n?iretq\n"
)
RETURNS_ALIKE = """
lea rax, [rip + function]
lea rcx, [rip + back]
movzx esi, cx
mov rdi, DATA
add rsi, rdi
mov word ptr [rsi - 2], 0xd0ff
mov dword ptr [rsi], 0xc3c3ff48
mov ecx, 20
next:
call function
back:
add rbx, rcx
lea rdx, [rsi - 2]
call rdx
loop next
jmp over
function:
ret
over:
"""
"""Two return addresses with the same low 16 bits."""
STEPS = "pushfq\nor dword ptr [rsp], 0x100\npopfq\ncall function\njmp over\nfunction:\nret\nover:\npushfq\nand dword ptr [rsp], 0xfffffeff\npopfq\nnop\n"


def corpus() -> Iterator[tuple[str, dict[str, Any]]]:
    """Programs, quick ones first."""
    yield REWRITES_ITSELF, {}
    yield LEAVES, {"user": ROUNDS, "gates": GATE}
    yield STEPS, {}
    yield RETURNS_ALIKE, {}
    for seed in SEEDS:
        yield program(seed), {}


def _template(old: str, new: str) -> Patch:
    """Every `old` among the templates becomes `new`."""

    def patch(m: pytest.MonkeyPatch) -> None:
        real = templates.template
        m.setattr(building, "template", lambda text: real(new if text == old else text))

    return patch


def _nothing(owner: Any, name: str) -> Patch:
    return lambda m: m.setattr(owner, name, lambda *_, **__: None)


def _operand_not_relocated(m: pytest.MonkeyPatch) -> None:
    m.setattr(translator, "copy", lambda builder, instruction, code: builder.raw(code, 1))


def _operand_relocated_elsewhere(m: pytest.MonkeyPatch) -> None:
    def copy(builder: UnitBuilder, instruction: Instruction, code: bytes) -> None:
        if instruction.is_ip_rel_memory_operand:
            instruction.memory_displacement = instruction.ip_rel_memory_address + 8
        copying.copy(builder, instruction, code)

    m.setattr(translator, "copy", copy)


def _check_of_the_target_left_out(m: pytest.MonkeyPatch) -> None:
    """Whatever the look-up table holds is taken for the target."""
    real = UnitBuilder._append

    def append(self: UnitBuilder, code: bytes, units: int = 0) -> None:
        real(self, b"\xeb" + code[1:] if code[0] == 0xE3 and units else code, units)

    m.setattr(UnitBuilder, "_append", append)


def _return_address_of_the_cache(m: pytest.MonkeyPatch) -> None:
    real = control_flow._push_return

    def push(builder: UnitBuilder, address: int, saved: tuple[int, ...]) -> None:
        real(builder, address + 1, saved)

    m.setattr(control_flow, "_push_return", push)


def _registers_not_restored(m: pytest.MonkeyPatch) -> None:
    real = BinaryTranslation._leave
    m.setattr(BinaryTranslation, "_leave", lambda self, mark: real(self, mark._replace(saved=())))


def _flags_not_restored(m: pytest.MonkeyPatch) -> None:
    real = BinaryTranslation._leave

    def leave(self: BinaryTranslation, mark: Mark) -> None:
        real(self, mark._replace(flags_in_rax=False))

    m.setattr(BinaryTranslation, "_leave", leave)


def _interrupts_within_the_shadow(m: pytest.MonkeyPatch) -> None:
    real = BinaryTranslation._leave
    m.setattr(
        BinaryTranslation, "_leave", lambda self, mark: real(self, mark._replace(shadow=False))
    )


def _no_time(m: pytest.MonkeyPatch) -> None:
    """An instruction retires one unit of time too many."""
    real = sensitive._SEQUENCES[Mnemonic.CLI]

    def cli(builder: UnitBuilder, instruction: Any) -> bool:
        builder.raw(b"\x90", 1)
        return real(builder, instruction)

    m.setitem(sensitive._SEQUENCES, Mnemonic.CLI, cli)


def _stale_links(m: pytest.MonkeyPatch) -> None:
    m.setattr(TranslationCache, "unlink", lambda self, way: None)


def _privilege_not_compared(m: pytest.MonkeyPatch) -> None:
    m.setattr(descriptor_checks, "_check_privilege", lambda builder: None)


def _descriptor_not_compared(m: pytest.MonkeyPatch) -> None:
    m.setattr(user_returns.UserReturns, "follow_tables", lambda self: None)
    _template("cmp rcx, {user_data}", "cmp rcx, rcx")(m)


MUTANTS: dict[str, Patch] = {
    "a RIP-relative operand is not fixed up": _operand_not_relocated,
    "a RIP-relative operand is fixed up for another place": _operand_relocated_elsewhere,
    "code that was overwritten is not invalidated": _nothing(CodeFrames, "drop"),
    "exits lead to units that are gone": _stale_links,
    "INVLPG leaves units of code that is mapped elsewhere": _nothing(CodeFrames, "check_page"),
    "PUSHF changes the flags": _template("lea rax, [rax + rcx]", "add rax, rcx"),
    "PUSHF shows the processor's IF": _template("mov rcx, {interrupts}", "mov ecx, 0"),
    "MOV to CR8 loses the flags": _template("sahf", "nop"),
    "POPF leaves IF": _template("mov {interrupts}, rax", "nop"),
    "STI opens no window for an interrupt that waits": _nothing(UnitBuilder, "await_window"),
    "interrupts come within the shadow of STI": _interrupts_within_the_shadow,
    "a look-up goes to whatever the table holds": _check_of_the_target_left_out,
    "RET leaves the address on the stack": _template("lea rsp, [rsp + 8]", "nop"),
    "CALL pushes another return address": _return_address_of_the_cache,
    "a fault finds the registers of the cache": _registers_not_restored,
    "a fault finds the flags of the cache": _flags_not_restored,
    "CLI takes two units of time": _no_time,
    "LAR sees descriptors that RPL hides": _privilege_not_compared,
    "IRET goes by a descriptor that the guest has changed": _descriptor_not_compared,
    "IRET to user code does not look for NT and interrupts": _template(
        "cmp {iret_asks}, 0", "cmp rax, rax"
    ),
}


def caught() -> str | None:
    """The first program of the corpus that ends otherwise, or what the VMM says."""
    try:
        different = next((text for text, rest in corpus() if differences(text, **rest)), None)
        return different or (None if _remapped_alike() else REMAPS)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _remapped_alike() -> bool:
    native, translated = (
        techniques.run_guest(name, workloads.find(REMAPS), "small") for name in ("native", "bt")
    )
    return translated.status == "ok" and translated.outcome_parts == native.outcome_parts


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_translator_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    counted("translator: mutants")
    MUTANTS[name](monkeypatch)
    assert caught() is not None


def test_the_translator_itself_is_not() -> None:
    assert caught() is None
