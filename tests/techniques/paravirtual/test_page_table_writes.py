"""Plain stores of the guest kernel to its page tables: those to level-1 tables are done by Xen, by its rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from .attack_guest import ENTRY_OF_PAGE, answers, outcome

# RDI = machine address of the entry that maps `page`, RAX = the frame's machine address. RDX = where the entry is seen.
SEEN = (
    ENTRY_OF_PAGE
    + """
    mov r8, rax
    pv_entry_to_frame rdi
    mov rdx, KERNEL_BASE
    add rdx, rdi
"""
)


def test_an_exchange_of_an_entry_clears_it_and_returns_what_it_was(tmp_path: Path) -> None:
    body = (
        SEEN
        + """
    xor eax, eax
    xchg [rdx], rax
    and rax, ~0xfff
    shl rax, 12
    shr rax, 12
    sub rax, r8
    mov [rip + result], rax          # the old entry held the frame
    mov rax, [rdx]
    mov [rip + result + 8], rax      # and is gone
    or r8, 0x63
    mov [rdx], r8                    # back again
    lea rsi, [rip + page]
    mov qword ptr [rsi], 7
    mov rax, [rsi]
    mov [rip + result + 16], rax
    """
    )
    assert answers(tmp_path, body)[:3] == [0, 0, 7]
    counts = outcome(tmp_path, body).counters_total
    assert counts["pv.page_table_write"] == 2


def test_half_of_an_entry_can_be_stored(tmp_path: Path) -> None:
    body = SEEN + "and dword ptr [rdx], ~2\n mov rax, [rdx]\n and eax, 3\n mov [rip + result], rax"
    assert answers(tmp_path, body)[0] == 1


@pytest.mark.parametrize(
    "store",
    [
        "mov rax, [rip + kernel_root]\n mov rcx, DIRECT_MAP\n mov qword ptr [rax + rcx], 0",
        SEEN + "or rbx, 3\n mov [rdx], rbx",  # a page table, writable
        SEEN + "mov qword ptr [rdx], 0x1013",  # a frame of Xen's
        SEEN + "mov [rdx + 4], r8",  # across two entries
    ],
)
def test_a_store_that_breaks_a_rule_is_the_guests_page_fault(tmp_path: Path, store: str) -> None:
    ended = outcome(tmp_path, store)
    assert ended.guest_status == 255
    assert b"000000000000000e 0000000000000003" in ended.console
