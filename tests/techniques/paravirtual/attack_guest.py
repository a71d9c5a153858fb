"""A guest kernel under pv whose work is the text of a test: requests to Xen, and what Xen answered as the result."""

from __future__ import annotations

from pathlib import Path

import workloads
from techniques import Outcome, run_guest

HEADER = """#: title = "Attacks"
#: stresses = "rules"
#: outcome = "results are what Xen answered"
#: small = { n = 1 }
#: standard = { n = 1 }
#: large = { n = 1 }

@kernel
.macro UPDATE index              # machine address RDI gets value RSI
    mov [rip + request], rdi
    mov [rip + request + 8], rsi
    lea rdi, [rip + request]
    mov esi, 1
    xor edx, edx
    mov r10d, DOMID_SELF
    HYPERCALL XEN_MMU_UPDATE
    mov [rip + result + \\index * 8], rax
.endm
.macro EXTENDED index, command   # with argument RSI
    mov dword ptr [rip + operation], \\command
    mov [rip + operation + 8], rsi
    lea rdi, [rip + operation]
    mov esi, 1
    xor edx, edx
    mov r10d, DOMID_SELF
    HYPERCALL XEN_MMUEXT_OP
    mov [rip + result + \\index * 8], rax
.endm
workload_main:
    push rbx
    mov rbx, [rip + kernel_root]     # the root's machine frame, and where its entry in the direct map lies
    pv_frame_to_entry rbx
"""
FOOTER = """
    pop rbx
    xor eax, eax
    ret
@kernel_data
.align 16
request: .quad 0, 0
operation: .quad 0, 0, 0
.align PAGE
page: .zero PAGE
"""
TO_PAGE = """
    lea rax, [rip + page]
    mov rcx, KERNEL_BASE
    sub rax, rcx
    pv_frame_to_entry rax
"""
ENTRY_OF_PAGE = (
    TO_PAGE
    + """
    push rax
    lea rdi, [rip + page]
    mov rcx, KERNEL_BASE
    sub rdi, rcx
    mov rdx, rdi
    shr rdx, 21
    mov rcx, [rip + xen_directory]
    mov rcx, [rcx + rdx*8]
    mov rax, ENTRY_ADDRESS
    and rcx, rax
    shr rdi, 12
    and edi, 511
    lea rdi, [rcx + rdi*8]
    pop rax
"""
)


def outcome(tmp_path: Path, body: str, **knobs: str) -> Outcome:
    source = tmp_path / "attack.asm"
    source.write_text(HEADER + body + FOOTER)
    return run_guest("pv", workloads.find(source), "small", knobs=knobs)


def answers(tmp_path: Path, body: str) -> list[int]:
    parts = outcome(tmp_path, body)
    assert parts.status == "ok", parts.reason
    words = bytes.fromhex(parts.outcome_parts["result"]).ljust(512, b"\0")
    return [int.from_bytes(words[i : i + 8], "little", signed=True) for i in range(0, 64, 8)]


EPERM, EINVAL, EBUSY, ESRCH, EFAULT, ENOSYS = -1, -22, -16, -3, -14, -38
EACCES, ENOENT = -13, -2
ARGUMENT = """
    mov edi, {command}
    lea rsi, [rip + operation]
    mov qword ptr [rsi], {word}
    HYPERCALL {call}
    mov [rip + result], rax
"""
