"""Faults of memory accesses where the engine by itself would report something else, or another instruction."""

from __future__ import annotations

import pytest

BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])
ABSENT = 0x700000
EDGE = 0x703000  # an absent page behind a present one
PAGES = ((EDGE - 0x1000, 0x240000, 3),)
FAR = 0x800000000000
MODIFIES = (
    "add [rbx], eax", "or byte ptr [rbx], 1", "adc qword ptr [rbx], 100000", "sbb [rbx], rax", "and word ptr [rbx], 3",
    "sub [rbx+rcx*4], r9", "xor [rbx], al", "inc dword ptr [rbx]", "dec byte ptr [rbx]", "not qword ptr [rbx]",
    "neg word ptr [rbx]", "shl dword ptr [rbx], 1", "sar qword ptr [rbx], 5", "rol byte ptr [rbx], cl", "xchg [rbx], rax",
    "xchg [rbx], cl", "lock add [rbx], eax", "lock xadd [rbx], rax", "xadd [rbx], cl", "cmpxchg [rbx], rdx",
    "cmpxchg [rbx], dl", "lock cmpxchg8b [rbx]", "bts [rbx], eax", "btr dword ptr [rbx], 3", "btc [rbx], rax",
    "shld [rbx], eax, 3", "shrd [rbx], rax, cl", "lock bts qword ptr [rbx], 9",
)  # fmt: skip
READS = (
    "add eax, [rbx]", "cmp [rbx], eax", "cmp byte ptr [rbx], 4", "cmp eax, [rbx]", "test [rbx], eax", "mov rax, [rbx]",
    "imul eax, [rbx]", "mul dword ptr [rbx]", "div dword ptr [rbx]", "push qword ptr [rbx]", "bt [rbx], eax",
    "bt dword ptr [rbx], 3", "movzx eax, byte ptr [rbx]", "call qword ptr [rbx]", "jmp qword ptr [rbx]", "lodsb",
    "cmovne eax, [rbx]", "fld dword ptr [rbx]", "movups xmm0, [rbx]", "test byte ptr [rbx], 1", "popcnt eax, [rbx]",
)  # fmt: skip
WRITES = (
    "mov [rbx], eax",
    "mov byte ptr [rbx], 1",
    "stosb",
    "sete byte ptr [rbx]",
    "movups [rbx], xmm0",
    "pop qword ptr [rbx]",
)


@BOTH
@pytest.mark.parametrize(
    ("text", "error"),
    [*((t, 2) for t in MODIFIES), *((t, 0) for t in READS), *((t, 2) for t in WRITES)],
)
def test_a_fault_is_one_of_a_write_if_the_instruction_writes_its_operand(
    run_guest, technique, text, error
):
    setup = f"push rax; xor ecx, ecx; xor eax, eax; xor edx, edx; mov ebx, {ABSENT}; mov esi, {ABSENT}; mov edi, {ABSENT};"
    (record,) = run_guest(setup + "? " + text, technique=technique).records
    assert (record.vector, record.error, record.cr2) == (14, error, ABSENT)


@BOTH
@pytest.mark.parametrize(
    ("text", "vector"),
    [
        ("mov eax, [rbx]", 13), ("mov [rbx+rcx], eax", 13), ("add [rbx], eax", 13), ("push qword ptr [rbx]", 13),
        ("mov eax, [rbp]", 12), ("mov eax, [rbp+rcx*8+16]", 12), ("mov rax, [rsp+rdx]", 12), ("addps xmm0, [rbp]", 12),
        ("inc dword ptr [rbp+4]", 12), ("mov eax, [r13]", 13), ("mov rax, [r12]", 13), ("mov eax, [rbx+rbp]", 13),
        ("lodsq", 13), ("stosb", 13), ("mov rax, fs:[rbp]", 13), ("pshufb xmm0, [rbp]", 12), ("jmp qword ptr [rbx]", 13),
    ],
)  # fmt: skip
def test_a_data_address_that_is_not_canonical_is_a_general_protection_or_a_stack_fault(
    run_guest, technique, text, vector
):
    setup = f"xor ecx, ecx; mov rdx, 0xffff000000000000; mov rbx, {FAR}; mov rbp, rbx; mov rsi, rbx; mov rdi, rbx; mov r12, rbx; mov r13, rbx;"
    (record,) = run_guest(setup + "? " + text, technique=technique).records
    assert (record.vector, record.error) == (vector, 0)


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "jmp rax",
        "call rax",
        "ret",
        "ret 24",
        "jmp qword ptr [DATA]",
        "call qword ptr [DATA]",
        "repz ret",
    ],
)
def test_a_jump_to_an_address_that_is_not_canonical_faults_itself(run_guest, technique, text):
    """RIP is the branch and RSP what it was before it."""
    setup = f"mov rax, {FAR}; mov [DATA], rax; push rax; nop;"
    text = text.replace("repz ret", ".byte 0xf3, 0xc3")
    run = run_guest(setup + "mov rbx, rsp; ? " + text + "; mov [DATA+8], rbx", technique=technique)
    (record,) = run.records
    assert (record.vector, record.error, record.rip) == (13, 0, run.guest.symbols["fault_0"])
    assert record.rsp == run.data(8)


@BOTH
@pytest.mark.parametrize("length", [1, 3, 8])
def test_code_before_an_absent_page_executes_before_the_fault(boot_guest, technique, length):
    """`inc` instructions of two bytes each run into the absent page, the last one after `length` of them."""
    text = f"mov edi, {EDGE - 2 * length}; mov ecx, {length}; l: mov word ptr [rdi], 0xc0ff; add edi, 2; dec ecx; jnz l\n"
    text += f"xor eax, eax; mov edi, {EDGE - 2 * length}; jmp rdi; h: mov [DATA], rax; pop rax; pop rbx; mov [DATA+8], rbx"
    text += "; mov [DATA+16], rax; mov rax, cr2; mov [DATA+24], rax"
    run = boot_guest(text, technique=technique, pages=PAGES, gates={14: {"handler": "h"}}).run()
    assert [run.data(n) for n in (0, 8, 16, 24)] == [length, EDGE, 16, EDGE]


@BOTH
def test_an_instruction_that_reaches_into_an_absent_page_faults_after_those_before_it(
    boot_guest, technique
):
    text = f"mov edi, {EDGE - 6}; mov rax, 0xb8489090c0ffc0ff; mov [rdi], eax; shr rax, 32; mov [rdi+2], eax; mov dword ptr [rdi], 0xc0ffc0ff\n"
    text += "xor eax, eax; jmp rdi; h: mov [DATA], rax; pop rax; pop rbx; mov [DATA+8], rbx; mov rax, cr2; mov [DATA+16], rax"
    run = boot_guest(text, technique=technique, pages=PAGES, gates={14: {"handler": "h"}}).run()
    assert [run.data(n) for n in (0, 8, 16)] == [2, EDGE - 2, EDGE]


@BOTH
def test_looking_ahead_leaves_no_trace_in_the_counters(boot_guest, technique):
    """The page that the fault is about is walked once."""
    text = f"mov edi, {EDGE - 2}; mov word ptr [rdi], 0x9090; nop; jmp rdi; h: nop"
    run = boot_guest(text, technique=technique, pages=PAGES, gates={14: {"handler": "h"}}).run()
    assert [run.counters[n] for n in ("walk.fault", "exception.pf", "instructions")] == [1, 1, 20]
