"""Numbers in assembly text that mean the same to every assembler."""

from __future__ import annotations

import pytest

from hardware_model.assembly_numbers import hexadecimal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lea rsp, [rsp + 16]", "lea rsp, [rsp + 0x10]"),
        ("mov r10, r12", "mov r10, r12"),
        ("mov rax, 0x12", "mov rax, 0x12"),
        ("add eax, -100; a1: nop", "add eax, -0x64; a1: nop"),
        (".align 64", ".align 0x40"),
        ("xor eax, 0", "xor eax, 0"),
    ],
)
def test_decimal_numbers_become_hexadecimal_and_names_stay(text, expected):
    assert hexadecimal(text) == expected
