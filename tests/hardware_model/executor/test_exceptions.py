"""Exceptions: vector, error code, saved RIP and CR2 of each, as the manual has them (SDM vol. 3A chapter 6)."""

from __future__ import annotations

import pytest

BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])
ENTER_USER = "push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq\n"
EXIT = "; mov edx, 0xf4; xor eax, eax; out dx, eax"
P, W, U, RSVD, I = 1, 2, 4, 8, 16
READ_ONLY, SUPERVISOR, ABSENT, NO_EXECUTE, RESERVED = (0x700000 + n * 0x1000 for n in range(5))
PAGES = (
    (READ_ONLY, 0x230000, P | U),
    (SUPERVISOR, 0x231000, P | W),
    (NO_EXECUTE, 0x232000, P | W | U | 1 << 63),
    (RESERVED, 1 << 45, P | W | U),
)


@BOTH
@pytest.mark.parametrize(
    ("text", "vector", "error"),
    [
        ("xor ecx, ecx; ? div ecx", 0, 0),
        ("mov eax, 0x80000000; cdq; mov ecx, -1; ? idiv ecx", 0, 0),
        ("? ud2", 6, 0),
        ("? .byte 0x0f, 0x0b", 6, 0),
        ("? .byte 0x06", 6, 0),  # PUSH ES
        ("? vmcall", 6, 0),
        ("? .byte 0x0f, 0x01, 0xd9", 6, 0),  # VMMCALL
        ("? .byte 0x0f, 0x01, 0xd8", 6, 0),  # VMRUN
        ("? .byte 0x0f, 0x01, 0xc8", 6, 0),  # MONITOR
        ("? rsm", 6, 0),
        ("mov rax, cr0; or eax, 8; mov cr0, rax; ? fnop", 7, 0),
        ("mov rax, cr0; or eax, 8; mov cr0, rax; ? addps xmm0, xmm0", 7, 0),
        ("mov rax, 0x800000000000; ? mov rbx, [rax]", 13, 0),
        ("mov rax, 0x800000000000; ? mov [rax], rbx", 13, 0),
        ("mov rbp, 0x800000000000; ? mov rbx, [rbp]", 12, 0),
        (
            "mov rsi, rsp; mov rsp, 0x800000000000; ? push rax; mov rsp, rsi",
            8,
            0,
        ),  # its handler has no stack
        ("mov ax, 0x53; ? mov ds, ax", 13, 0x50),
        ("mov ax, 0x50; ? mov ds, ax", 11, 0x50),
        ("mov ax, 0x50; ? mov ss, ax", 12, 0x50),
        ("mov ax, 0x23; ? mov ss, ax", 13, 0x20),
        ("mov ax, 0x1000; ? mov ds, ax", 13, 0x1000),
        ("mov ax, 0x14; ? mov ds, ax", 13, 0x14),
        ("xor eax, eax; ? mov ss, ax", -1, 0),
        ("mov ax, 0x10; ? ltr ax", 13, 0x10),
        ("mov ax, 0x30; ? ltr ax", 13, 0x30),  # busy
        ("mov ax, 0x10; ? lldt ax", 13, 0x10),
        ("? int 0x30", -1, 0),
        ("mov eax, 0x10; mov cr8, rax", None, 0),
    ],
)
def test_an_exception_has_the_error_code_of_the_manual(run_guest, technique, text, vector, error):
    if vector is None:
        text, vector = text.replace("mov cr8", "? mov cr8"), 13
    run = run_guest(text, technique=technique)
    if vector == -1:
        assert [r for r in run.records if r.vector < 32] == []
        return
    (record,) = run.records
    resumed = "after_0" if vector == 1 else "fault_0"
    assert (record.vector, record.error, record.rip) == (vector, error, run.guest.symbols[resumed])


@BOTH
@pytest.mark.parametrize(
    ("text", "error", "address"),
    [
        ("? mov rax, [{a}]", 0, ABSENT),
        ("? mov [{a}], rax", W, ABSENT),
        ("? mov [{a}], rax", P | W, READ_ONLY),
        ("? add [{a}], rax", W, ABSENT),
        ("? mov rax, [{a}]", P | RSVD, RESERVED),
        ("? mov [{a}], rax", P | W | RSVD, RESERVED),
        ("mov eax, {a}; mov ecx, 1; mov edi, {a}; ? rep stosb", W, ABSENT),
        ("mov eax, {a}-4; ? mov rbx, [rax]", 0, ABSENT),
        ("mov eax, {a}-4; ? mov [rax], rbx", W, ABSENT),
        ("mov rsp, {a}; ? pop rax; mov rsp, STACK", 0, ABSENT),
        ("? push qword ptr [{a}]", 0, ABSENT),
        ("? invlpg [{a}]", None, ABSENT),
        ("? prefetcht0 [{a}]", None, ABSENT),
        ("? lgdt [{a}]", 0, ABSENT),
        ("? sidt [{a}]", W, ABSENT),
    ],
)
def test_a_page_fault_at_cpl_0_says_what_and_where(run_guest, technique, text, error, address):
    run = run_guest(text.format(a=hex(address)), technique=technique, pages=PAGES)
    if error is None:
        assert run.records == []
        return
    (record,) = run.records
    assert (record.vector, record.error, record.cr2) == (14, error, address)
    assert record.rip == run.guest.symbols["fault_0"]


@BOTH
@pytest.mark.parametrize(
    ("text", "error", "address"),
    [
        ("? mov rax, [{a}]", U, ABSENT),
        ("? mov [{a}], rax", U | W, ABSENT),
        ("? mov rax, [{a}]", P | U, SUPERVISOR),
        ("? mov [{a}], rax", P | W | U, SUPERVISOR),
        ("? mov [{a}], rax", P | W | U, READ_ONLY),
        ("? mov rax, [{a}]", P | U | RSVD, RESERVED),
    ],
)
def test_a_page_fault_at_cpl_3_has_the_user_bit(run_guest, technique, text, error, address):
    run = run_guest(
        ENTER_USER, user=text.format(a=hex(address)) + EXIT, technique=technique, pages=PAGES
    )
    (record,) = run.records
    assert (record.vector, record.error, record.cr2) == (14, error, address)
    assert record.rip == run.guest.symbols["user.fault_0"]


@BOTH
@pytest.mark.parametrize(
    ("address", "error"),
    [
        (ABSENT, U | I),
        (SUPERVISOR, P | U | I),
        (NO_EXECUTE, P | U | I),
        (RESERVED, P | U | RSVD | I),
    ],
)
def test_a_fetch_fault_has_the_instruction_bit_and_the_target_as_rip(
    boot_guest, technique, address, error
):
    text = (
        ENTER_USER
        + "h: pop rax; mov [DATA], rax; pop rbx; mov [DATA+8], rbx; mov rcx, cr2; mov [DATA+16], rcx"
    )
    run = boot_guest(
        text,
        user=f"nop; jmp {address:#x}",
        technique=technique,
        pages=PAGES,
        gates={14: {"handler": "h"}},
    ).run()
    assert [run.data(n) for n in (0, 8, 16)] == [error, address, address]


@BOTH
def test_an_instruction_that_crosses_into_an_absent_page_faults_at_its_start(boot_guest, technique):
    """RIP is the instruction's first byte, CR2 the first byte of the absent page."""
    text = "mov edi, 0x702ffe; mov word ptr [rdi], 0x48; mov byte ptr [rdi+1], 0xb8; mov byte ptr [rdi-1], 0x90; dec rdi\n"
    text += "jmp rdi; h: pop rax; pop rbx; mov [DATA], rax; mov [DATA+8], rbx; mov rcx, cr2; mov [DATA+16], rcx"
    pages = ((0x702000, 0x240000, P | W),)
    run = boot_guest(text, technique=technique, pages=pages, gates={14: {"handler": "h"}}).run()
    assert [run.data(n) for n in (0, 8, 16)] == [I, 0x702FFE, 0x703000]


@BOTH
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("? mov eax, [USER_DATA]", P),
        ("? mov [USER_DATA], eax", P | W),
        ("stac; ? mov eax, [USER_DATA]; clac", None),
    ],
)
def test_smap_protects_user_pages_from_the_kernel(run_guest, technique, text, error):
    text = "mov rax, cr4; bts rax, 21; mov cr4, rax; clac;" + text.replace(
        "?", "? " if error else ""
    )
    run = run_guest(text, technique=technique)
    assert [(r.vector, r.error) for r in run.records] == ([] if error is None else [(14, error)])


@BOTH
def test_smep_keeps_the_kernel_from_executing_user_pages(boot_guest, technique):
    text = "mov rax, cr4; bts rax, 20; mov cr4, rax; mov eax, USER; jmp rax; h: pop rax; mov [DATA], rax"
    run = boot_guest(text, user="nop", technique=technique, gates={14: {"handler": "h"}}).run()
    assert run.data() == P | I


@BOTH
@pytest.mark.parametrize(
    "text",
    ["hlt", "cli", "sti", "mov rax, cr0", "mov cr3, rax", "mov rax, cr8", "mov rax, dr7", "rdmsr", "wrmsr", "lgdt [rsp]",
     "lidt [rsp]", "lldt ax", "ltr ax", "clts", "lmsw ax", "invlpg [rsp]", "invd", "wbinvd", "swapgs", "sysretq",
     "in al, 0x60", "out 0x60, al", "insb", "outsb", "int 0x30", "iretq"],
)  # fmt: skip
def test_privileged_instructions_fault_precisely_at_cpl_3(run_guest, technique, text):
    setup = "xor eax, eax; push rax; push rax; push rax; push rax; push rax; mov edi, USER_DATA; mov esi, edi; mov ecx, 1; mov edx, 0x60;"
    run = run_guest(ENTER_USER, user=setup + "? " + text + EXIT, technique=technique)
    (record,) = run.records
    error = {"int 0x30": 0x30 * 8 + 2}.get(text, 0)
    assert (record.vector, record.error, record.cs) == (13, error, 0x2B)
    assert record.rip == run.guest.symbols["user.fault_0"]


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "sgdt [rsp-16]",
        "sidt [rsp-16]",
        "smsw eax",
        "sldt eax",
        "str eax",
        "pushfq",
        "popfq",
        "cpuid",
        "rdtsc",
    ],
)
def test_sensitive_instructions_do_not_fault_at_cpl_3(run_guest, technique, text):
    run = run_guest(ENTER_USER, user="push 2;" + text + EXIT, technique=technique)
    assert run.records == []


@BOTH
def test_rdtsc_faults_at_cpl_3_when_cr4_forbids_it(run_guest, technique):
    run = run_guest(
        "mov rax, cr4; or eax, 4; mov cr4, rax;" + ENTER_USER,
        user="? rdtsc; ? rdtscp" + EXIT,
        technique=technique,
    )
    assert [(r.vector, r.error) for r in run.records] == [(13, 0), (13, 0)]
