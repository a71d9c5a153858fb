"""A guest that jumps to where it has no memory takes #UD there, and its VMM has it on record."""

from __future__ import annotations

from pathlib import Path

import pytest

import workloads
from techniques import run_guest

NOWHERE = 0x10000000
PROGRAM = f"""
#: title = "A jump to nowhere"
#: stresses = "fetches from where there is no memory"
#: outcome = "result 0 counts invalid opcodes"
#: small = {{ where = {NOWHERE} }}
#: standard = {{ where = {NOWHERE} }}
#: large = {{ where = {NOWHERE} }}
.set WINDOW, 0xffffffffc0200000
@kernel
workload_main:
    push rbx
    mov rbx, [rdi + PARAM_WHERE * 8]
    mov rdi, [rip + kernel_root]
    mov rsi, WINDOW
    mov edx, LEVEL_PAGE
    call make_slot
    lea rcx, [rip + trap_handlers]
    lea rdx, [rip + come_back]
    mov [rcx + 6 * 8], rdx
    mov rcx, KERNEL_TEXT_FLAGS
    or rbx, rcx
    mov [rax], rbx
    mov rdi, WINDOW + 0x123
    call rdi
    xor eax, eax
    pop rbx
    ret
come_back:                          # RDI = trap frame
    mov rax, [rdi + FRAME_RIP]
    mov [rip + result], rax
    mov rax, [rdi + FRAME_RSP]
    mov rax, [rax]
    mov [rdi + FRAME_RIP], rax
    add qword ptr [rdi + FRAME_RSP], 8
    ret
"""


@pytest.mark.parametrize("technique", ["bt", "hvm-ept", "hvm-shadow", "trap-and-emulate"])
def test_a_jump_to_nowhere_is_an_invalid_opcode_at_its_target(
    technique: str, tmp_path: Path
) -> None:
    path = tmp_path / "nowhere.asm"
    path.write_text(PROGRAM.lstrip(), encoding="utf-8")
    found = run_guest(technique, workloads.find(str(path)), "small")
    assert (found.status, found.reason) == ("ok", "")
    rip = int.from_bytes(bytes.fromhex(found.outcome_parts["result"]), "little")
    assert rip == 0xFFFFFFFFC0200123
    assert found.counters_total["refused"] == 1
