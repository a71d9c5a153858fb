"""The engine holds a large page in pieces of 4 KiB: all of them go with it, be they few or many."""

from __future__ import annotations

import pytest

from hardware_model.executor import words as W
from tests.small_guest import VA

LARGE, OTHER = VA + 0x400000, VA + 0x600000  # two large pages of the kernel's linear map
FILL = f"""
 mov rbx, {LARGE:#x}; mov rcx, {OTHER:#x}; mov esi, {{pieces}}
fill: mov qword ptr [rbx], 1; mov qword ptr [rcx], 2; add rbx, 0x1000; add rcx, 0x1000; dec esi; jnz fill
"""
REMAP = f"""
 mov r8, {VA:#x}; mov rdx, cr3
 mov rdx, [rdx+r8+{511 * 8:#x}]; and rdx, -0x1000
 mov rdx, [rdx+r8+{510 * 8:#x}]; and rdx, -0x1000
 add dword ptr [rdx+r8+16], {OTHER - LARGE:#x}
"""
SUM = f"""
 mov rbx, {LARGE:#x}; xor edi, edi; mov esi, {{pieces}}
sum: add rdi, [rbx]; add rbx, 0x1000; dec esi; jnz sum
 mov [DATA], rdi
"""


@pytest.mark.parametrize("technique", ["native", "hvm-ept"])
@pytest.mark.parametrize("pieces", [1, 3, W.PIECES_KEPT, W.PIECES_KEPT + 1, 3 * W.PIECES_KEPT])
@pytest.mark.parametrize(
    "flush", [f"mov rbx, {LARGE + 0x100000:#x}; invlpg [rbx]", "mov rax, cr3; mov cr3, rax"]
)
def test_no_piece_outlives_its_large_page(run_guest, technique, pieces, flush):
    text = "\n".join((FILL, REMAP, flush, SUM)).format(pieces=pieces)
    assert run_guest(text, technique=technique).data() == 2 * pieces


@pytest.mark.parametrize("pieces", [1, W.PIECES_KEPT])
def test_without_a_flush_every_piece_is_still_used(run_guest, pieces):
    text = "\n".join((FILL, REMAP, SUM)).format(pieces=pieces)
    assert run_guest(text).data() == pieces
