"""Each instruction that traps at CPL 1 is emulated as the processor executes it at CPL 0."""

from __future__ import annotations

import pytest

BOOT_AND_EXIT = 5  # MOV CR3, LGDT, LIDT, LTR before the text, OUT after it
HANDLER = 3  # RDTSC, MOV from CR2 and IRET in the handler of each logged event

# text: instructions that the VMM emulates, those that it finds faulty not counted
CASES = {
    "sti; nop; cli; nop": 2,
    "mov rax, cr0; mov rbx, cr2; mov rcx, cr3; mov rdx, cr4; .byte 0x44, 0x0f, 0x20, 0xc6": 5,
    "mov rax, cr0; or eax, 8; mov cr0, rax; ? fnop; clts; fnop": 3,
    "mov rax, 0x123456789a; mov cr2, rax; mov rbx, cr2": 2,
    "mov rax, cr3; mov cr3, rax": 2,
    "mov rax, cr4; or eax, 0x300000; mov cr4, rax; mov rbx, cr4; stac; ? ud2; clac; ? ud2": 5,
    "mov eax, 15; .byte 0x44, 0x0f, 0x22, 0xc0; .byte 0x44, 0x0f, 0x20, 0xc3; mov eax, 16; ? .byte 0x44, 0x0f, 0x22, 0xc0": 2,
    "mov eax, 0xd; lmsw ax; mov rbx, cr0; mov rdi, DATA; mov word ptr [rdi], 0; lmsw [rdi]; mov rcx, cr0": 4,
    "mov rax, cr0; and eax, 0x7fffffff; ? mov cr0, rax; btr rax, 0; ? mov cr0, rax": 1,
    "mov rax, cr0; bts rax, 29; ? mov cr0, rax; bts rax, 30; mov cr0, rax": 2,
    "mov rax, cr4; btr rax, 5; ? mov cr4, rax; bts rax, 13; ? mov cr4, rax": 1,
    "mov rax, -1; ? mov cr3, rax": 0,
    "mov eax, 0x1234; mov dr0, rax; mov dr3, rax; mov rbx, dr0; mov rcx, dr6; mov rdx, dr7; xor eax, eax; mov dr6, rax; mov rsi, dr6": 7,
    "? .byte 0x0f, 0x21, 0xe0; mov rax, cr4; bts rax, 3; mov cr4, rax; ? .byte 0x0f, 0x21, 0xe0": 3,
    "mov ecx, 0xc0000080; rdmsr; or eax, 1; wrmsr; rdmsr": 3,
    "mov ecx, 0xc0000082; mov eax, 0x1000; mov edx, 0xffff8000; wrmsr; rdmsr; mov edx, 0x12345678; ? wrmsr": 2,
    "mov ecx, 0x12345; ? rdmsr; ? wrmsr; mov ecx, 0x3a; rdmsr; ? wrmsr": 1,
    "mov ecx, 0x277; rdmsr; mov eax, 0x02020202; ? wrmsr; mov ecx, 0x1d9; rdmsr; inc eax; ? wrmsr": 2,
    "mov ecx, 0xc0000101; mov eax, 0x7000; xor edx, edx; wrmsr; swapgs; rdmsr; mov ebx, eax; swapgs; rdmsr": 5,
    "mov ecx, 0xc0000100; mov rax, DATA; mov rdx, rax; shr rdx, 32; wrmsr; .byte 0x64, 0x48, 0x8b, 0x1c, 0x25, 8, 0, 0, 0": 1,
    "rdtsc; mov ebx, eax; rdtsc; sub eax, ebx": 2,
    "mov ecx, 0xc0000103; mov eax, 77; xor edx, edx; wrmsr; rdtscp": 2,
    "? rdpmc": 0,
    "mov rdi, DATA; mov [rdi], rdi; invlpg [rdi]; mov rax, [rdi]": 1,
    "wbinvd; invd": 2,
    "mov edx, 0x3fd; in al, dx; in ax, dx; in eax, dx; in al, 0x80; mov al, 0x41; mov edx, 0x3f8; out dx, al": 5,
    "lldt ax; mov rdi, DATA; mov word ptr [rdi], 0; lldt [rdi]; mov eax, TASK; ? lldt ax; mov eax, CODE0; ? lldt ax": 2,
    "mov eax, TASK; ? ltr ax; mov eax, 0xfff8; ? ltr ax": 0,
    "mov rdi, GDT + 0x5d; mov rax, GDT + 0x35; mov bl, [rax]; and bl, 0xfd; mov [rax], bl; mov eax, TASK; ltr ax": 1,
    "mov rbx, 0x7ffff0000000; ? lgdt [rbx]; ? lidt [rbx]; mov rbx, 0x8000000000000000; ? lgdt [rbx]": 0,
    "mov eax, DATA0; mov ss, eax; mov ds, eax; mov es, eax; mov fs, eax; mov gs, eax; mov eax, fs": 1,
    "xor eax, eax; mov ss, eax; nop; mov ds, eax; mov es, eax; mov eax, DATA0; mov ss, eax": 2,
    "mov eax, DATA3; ? mov ss, eax; mov ds, eax; mov eax, 0x13; ? mov ds, eax; mov eax, TASK; ? mov ds, eax": 0,
    "mov eax, ABSENT; ? mov ss, eax; ? mov es, eax; mov eax, 0xff0; ? mov ss, eax; ? mov fs, eax; ? mov gs, eax": 0,
    "mov eax, CODE0; mov ds, eax; ? mov ss, eax; mov eax, 4; ? mov es, eax": 0,
    "push DATA0; pop fs; push DATA3; pop gs; push ABSENT; ? pop fs; pop rax; mov eax, fs": 0,
    "mov rdi, DATA; mov dword ptr [rdi], 0x5678; mov word ptr [rdi + 4], DATA0; lss eax, [rdi]; lfs ebx, [rdi]": 1,
    "push CODE0; lea rax, [rip + on]; push rax; .byte 0x48, 0xcb; on: nop": 1,
    "push 7; push CODE0; lea rax, [rip + on]; push rax; .byte 0x48, 0xca, 8, 0; on: nop": 1,
    "push CODE3; push rax; ? .byte 0x48, 0xcb; mov rsp, STACK; push ABSENT; push rax; ? .byte 0x48, 0xcb": 0,
    "mov rdi, DATA; lea rax, [rip + on]; mov [rdi], rax; mov word ptr [rdi + 8], 0x13; ? .byte 0x48, 0xff, 0x2f; on: nop": 0,
    "mov rax, rsp; push DATA0; push rax; push 0x3202; push CODE0; lea rax, [rip + on]; push rax; iretq; on: ? ud2; cli": 2,
    "mov rax, rsp; push 0; push rax; push 2; push CODE0; lea rax, [rip + on]; push rax; iretq; on: nop": 1,
    "push DATA0; push rsp; push 2; push 0; push rax; ? iretq; mov rsp, STACK; push DATA3; push rsp; push 2; push CODE0; push rax; ? iretq": 0,
    "mov ecx, 0xc0000080; rdmsr; btr eax, 0; wrmsr; ? syscall; ? .byte 0x48, 0x0f, 0x07": 2,
}


@pytest.mark.parametrize("text", CASES)
def test_an_emulated_instruction_leaves_what_it_leaves_at_cpl_0(both, text: str) -> None:
    native, run = both(text)
    events = len(native.records)
    assert native.platform.exit_port.status == 0
    assert run.counters["trap.emulated"] == BOOT_AND_EXIT + HANDLER * events + CASES[text]
    assert run.counters["trap.reflected"] == events
    assert native.counters["traps"] == 0


UNDEFINED = {
    "vmrun": "0x0f, 0x01, 0xd8",
    "vmmcall": "0x0f, 0x01, 0xd9",
    "vmload": "0x0f, 0x01, 0xda",
    "vmsave": "0x0f, 0x01, 0xdb",
    "stgi": "0x0f, 0x01, 0xdc",
    "clgi": "0x0f, 0x01, 0xdd",
    "skinit": "0x0f, 0x01, 0xde",
    "invlpga": "0x0f, 0x01, 0xdf",
    "vmcall": "0x0f, 0x01, 0xc1",
    "monitor": "0x0f, 0x01, 0xc8",
    "mwait": "0x0f, 0x01, 0xc9",
    "xgetbv": "0x0f, 0x01, 0xd0",
    "xsetbv": "0x0f, 0x01, 0xd1",
    "sysenter": "0x0f, 0x34",
    "sysexit": "0x0f, 0x35",
    "getsec": "0x0f, 0x37",
    "rsm": "0x0f, 0xaa",
    "rdfsbase": "0xf3, 0x0f, 0xae, 0xc0",
    "push ss": "0x16",
    "ud2": "0x0f, 0x0b",
}


@pytest.mark.parametrize("code", UNDEFINED.values(), ids=UNDEFINED)
def test_an_instruction_that_the_processor_lacks_is_undefined_in_both_rings(
    both, code: str
) -> None:
    native, _ = both(f"? .byte {code}")
    assert [record.vector for record in native.records] == [6]


def test_a_single_step_follows_an_emulated_instruction_too(both) -> None:
    text = "pushfq; or dword ptr [rsp], 0x100; popfq; mov rax, cr0; nop; mov rbx, dr6; lahf; push 2; popfq"
    native, _ = both(text)
    assert {record.vector for record in native.records} == {1}
    assert len(native.records) == 6


def test_string_instructions_move_between_ports_and_memory(both) -> None:
    native, _ = both(
        "mov rsi, DATA; mov rdi, DATA + 0x40; mov dword ptr [rsi], 0x64636261; mov edx, 0x3ff; mov ecx, 4;"
        ".byte 0xf3, 0x6e; mov ecx, 3; .byte 0xf3, 0x6c; .byte 0x66, 0x6d; .byte 0x6d; std; .byte 0x6c; cld;"
        "xor ecx, ecx; .byte 0xf3, 0x6c; mov rsi, 0x7ffff0000000; ? .byte 0x6e; mov rdi, rsi; ? .byte 0x6c"
    )
    assert native.vectors == [14, 14]
    assert native.gpr("rcx") == 0


def test_a_descriptor_that_was_never_loaded_gets_its_accessed_flag(both) -> None:
    native, _ = both(
        "mov rdi, GDT + 0x58; mov rax, 0x00cf92000000ffff; mov [rdi], rax; mov eax, 0x58; mov cr2, rax; mov ds, eax;"
        "mov es, eax; mov rbx, [rdi]"
    )
    assert native.gpr("rbx") == 0x00CF93000000FFFF


def test_a_local_descriptor_table_is_mirrored(both) -> None:
    both(
        "mov rdi, GDT + 0x60; mov rax, DATA; mov rbx, rax; shl rbx, 40; shr rbx, 24; mov rcx, rax; shr rcx, 24;"
        "shl rcx, 56; or rbx, rcx; mov rcx, 0x820000000017; or rbx, rcx; mov [rdi], rbx; shr rax, 32; mov [rdi + 8], rax;"
        "mov rdi, DATA; mov rbx, 0x00cff3000000ffff; mov [rdi + 8], rbx; mov rbx, 0x00cf93000000ffff; mov [rdi + 16], rbx;"
        "mov eax, 0x60; lldt ax; mov eax, 0x0f; mov fs, eax; mov eax, 0x14; mov ss, eax; mov eax, 0x1c; ? mov es, eax;"
        "mov eax, fs; mov ebx, DATA0; mov ss, ebx"
    )
