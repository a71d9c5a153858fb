"""LAR, LSL, VERR and VERW answer from the guest's descriptors, in the cache, as at CPL 0."""

from __future__ import annotations

import pytest

from tests.small_guest import DATA, GDT
from tests.techniques.binary_translation.conftest import differences

EVERY_ACCESS_BYTE = f"""
mov rsi, {GDT:#x}
mov rdi, {DATA:#x}
mov ecx, 16
rep movsq
xor ecx, ecx
next_descriptor:
mov eax, ecx
imul eax, eax, 0x01010101
mov edx, ecx
shl edx, 8
xor edx, 0x00c90012
mov dword ptr [rdi + 8*rcx], eax
mov dword ptr [rdi + 8*rcx + 4], edx
inc ecx
cmp ecx, 256
jne next_descriptor
mov rsi, {DATA:#x}
mov word ptr [rsi + 0xf80], 0x87f
mov [rsi + 0xf82], rsi
lgdt [rsi + 0xf80]
"""
EVERY_SELECTOR = """
xor ecx, ecx
next_selector:
mov [rsi + 0xf00], cx
{check}
pushfq
pop rdx
and edx, 0x8d5
lea rbx, [rbx + 2*rbx]
xor rbx, rdx
lea rbx, [rbx + 2*rbx]
xor rbx, {answer}
inc ecx
cmp ecx, 0x900
jne next_selector
"""


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        ("lar eax, ecx", "rax"),
        ("lar rax, word ptr [rsi + 0xf00]", "rax"),
        ("lar r9w, cx", "r9"),
        ("lar ecx, ecx\nmov r8, rcx\nmov cx, [rsi + 0xf00]\nmovzx ecx, cx", "r8"),
        ("lsl eax, ecx", "rax"),
        ("lsl r10, rcx", "r10"),
        ("lsl ax, word ptr [rsi + 0xf00]", "rax"),
        ("verr cx", "rcx"),
        ("verr word ptr [rsi + 0xf00]", "rcx"),
        ("verw cx", "rcx"),
    ],
)
def test_every_descriptor_and_selector_gives_the_native_answer_without_a_callout(
    translated, check, answer
):
    body = EVERY_ACCESS_BYTE + EVERY_SELECTOR.format(check=check, answer=answer)
    run, _ = translated(body)
    plain, _ = translated(EVERY_ACCESS_BYTE)
    emulated = "bt.callout.emulate"
    assert run.counters[emulated] == plain.counters[emulated]


def test_a_descriptor_that_the_guest_has_changed_counts_at_once():
    change = f"mov rsi, {GDT:#x}\nlar ebx, edx\nmov byte ptr [rsi + 0x15], 0xf3\nlar r8d, edx\nlsl r9d, edx\n"
    assert differences("mov edx, 0x10\n" + change) == []


def _local_table(base: int) -> str:
    """LLDT of a table of 24 bytes at `base`, whose descriptor is put at 58h of the GDT."""
    lower = 0x0000_8200_0000_0017 | (base & 0xFFFFFF) << 16 | (base >> 24 & 0xFF) << 56
    return f"""
    mov rdi, {GDT:#x}
    mov rax, {lower:#x}
    mov [rdi + 0x58], rax
    mov eax, {base >> 32:#x}
    mov [rdi + 0x60], rax
    mov eax, 0x58
    lldt ax
    """


def test_the_local_table_is_looked_at_for_selectors_of_it():
    local = f"""
    mov rsi, {DATA:#x}
    mov rax, 0x00cf93000000ffff
    mov [rsi + 8], rax
    {_local_table(DATA)}
    mov ecx, 0x0c
    lar edx, ecx
    setz bl
    lsl r8d, ecx
    mov ecx, 0x1c
    lar r9d, ecx
    setz bh
    """
    assert differences(local) == []


def test_a_page_fault_on_the_descriptor_finds_flags_and_registers_as_they_were(translated):
    run, _ = translated(
        _local_table(0x600FF8)
        + "mov ecx, 0x0c\nxor eax, eax\nstc\n?lar eax, ecx\nsetz bl\nsetc bh\n"
    )
    assert [(r.vector, r.error, r.cr2) for r in run.records] == [(14, 0, 0x601000)]
    assert run.records[0].rflags & 0x45 == 0x45
    assert run.gpr("rbx") & 0xFFFF == 0x0101
