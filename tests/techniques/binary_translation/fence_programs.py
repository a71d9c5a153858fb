"""Places in the VMM's slot, and what a guest's kernel does there: `?` stands before what faults natively."""

from __future__ import annotations

from typing import Any

from techniques.binary_translation.layout import (
    CACHE,
    PORT_VALUES,
    REGION,
    STATE,
    STATE_FIELDS,
    TABLES,
)
from techniques.deprivileged.vmm_window import GDT, LDT, TSS
from tests.techniques.binary_translation.test_isolation import HOLES

FENCE: dict[str, Any] = {"bt.fence": "bounds"}
PLACES = (
    *(REGION + STATE + STATE_FIELDS[name] for name in ("gpr0", "interrupts", "frame_cs")),
    *(REGION + TABLES, REGION + PORT_VALUES, REGION + CACHE),
    *(GDT, GDT + 0xFFC0, LDT, TSS),
    *HOLES,
)
LOADS_AND_STORES = """
?mov rax, [rsi]
?mov [rsi], rax
?mov byte ptr [rsi + 1], 5
?add qword ptr [rsi], 1
?lock xadd [rsi], rax
?cmpxchg [rsi], rbx
?cmpxchg16b [rsi]
?push qword ptr [rsi]
?pop qword ptr [rsi]
?movups xmm0, [rsi]
?movups [rsi], xmm0
?fxsave [rsi]
?div qword ptr [rsi]
?clflush [rsi]
prefetcht0 [rsi]
nop dword ptr [rsi]
?xchg [rsi], rcx
"""
ADDRESSING = """
mov rbx, rsi
shr rbx, 3
?mov rax, [rbx*8]
lea rbx, [rsi - 0x1000]
mov ecx, 0x800
?mov rax, [rbx + rcx*2]
lea rbx, [rsi - 0x7fffff00]
?mov rax, [rbx + 0x7fffff00]
mov r12, rsi
?mov rax, [r12]
?mov [r12 + 8], rax
mov r13, rsi
?mov rax, [r13]
?mov [r13 + rcx*2], rax
mov r8, rbp
mov rbp, rsi
?mov rax, [rbp + 8]
?mov rax, [rbp + rcx*4]
mov rbp, r8
?movabs rax, [{place:#x}]
?movabs [{place:#x}], al
lea rdi, [rsi - 4]
?mov rbx, [rdi]
"""
STRINGS = """
mov rdi, DATA
?movsq
mov rdi, rsi
mov rsi, DATA
?movsq
mov rsi, rdi
?stosb
?lodsw
?scasb
?cmpsb
mov ecx, 3
?rep movsb
mov ecx, 3
?rep stosq
xor ecx, ecx
rep lodsb
mov rbx, rsi
mov al, 3
?xlatb
"""
BITS = """
mov ebx, 1
?bts [rsi], ebx
?bt qword ptr [rsi], rbx
mov rdi, DATA
mov rdx, rsi
sub rdx, rdi
shl rdx, 3
?btr qword ptr [rdi], rdx
?bt qword ptr [rdi], rdx
mov rcx, -64
mov rdi, DATA + 8
bts qword ptr [rdi], rcx
"""
SEQUENCES = """
?lar eax, word ptr [rsi]
?lsl ax, word ptr [rsi]
?verr word ptr [rsi]
?sgdt [rsi]
?sidt [rsi]
?smsw word ptr [rsi]
?str word ptr [rsi]
?mov word ptr [rsi], cs
?jmp qword ptr [rsi]
?call qword ptr [rsi]
"""
STACK = """
mov rbp, rsp
?mov rax, [rsp]
mov rsp, rsi
?push rax
?pop rax
?call function
?ret
?ret 16
?pushfq
?popfq
?iretq
?mov rax, [rsp - 8]
sub rsp, 8
?push rbx
mov rsp, rbp
mov rbp, rsi
?leave
?enter 16, 2
jmp over
function:
ret
over:
nop
"""
SEGMENTS = """
mov ecx, 0xc0000101
mov eax, esi
mov rdx, rsi
shr rdx, 32
wrmsr
?mov rbx, gs:[0]
?mov gs:[8], rbx
xor eax, eax
mov edx, 0x8000
wrmsr
mov rbx, rsi
mov rcx, 0x800000000000
sub rbx, rcx
?mov rax, gs:[rbx]
?mov gs:[rbx + 8], rax
"""
TEXTS = {
    name.lower(): globals()[name]
    for name in ("ADDRESSING", "STRINGS", "BITS", "SEQUENCES", "STACK")
}
