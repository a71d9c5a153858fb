"""Events reach the guest's kernel through its own IDT and TSS exactly as the processor delivers them."""

from __future__ import annotations

import pytest

UNUSABLE_STACK = "mov rax, 0x123456000; mov rsp, rax; ud2"
TO_USER = "push DATA3; mov rbx, USER_STACK; push rbx; push 0x202; push CODE3; mov rbx, USER; push rbx; iretq"
LEAVE = "mov edx, 0xf4; xor eax, eax; out dx, eax"

CASES = {
    "faults": (
        "? ud2; xor ecx, ecx; ? div ecx; mov rax, 0x7ffff0000000; ? mov [rax], rax; ? mov rbx, [rax]; ? call rax;"
        "mov rax, 0x800000000000; ? mov rbx, [rax]",
        {},
    ),
    "software interrupts": ("int3; int 0x80; int 0xff; int 3; ? int 0xe", {}),
    "a gate that is not present": ("? int 0x90; ud2", {0x90: {"present": False}}),
    "a gate of another type": ("? int 0x90", {0x90: {"type": 12}}),
    "a trap gate keeps IF": ("sti; nop; int 0x90; cli", {0x90: {"type": 15}}),
    "an interrupt stack": ("int 0x90; ? ud2", {0x90: {"ist": 1}, 6: {"ist": 1}}),
    "an interrupt stack beyond the TSS": ("? int 0x90; ud2", {0x90: {"ist": 7}}),
    "an exception becomes a double fault": ("ud2", {6: {"present": False}, 11: {"present": False}}),
    "a fault while a fault is delivered": ("ud2", {6: {"present": False}}),
    "an unusable stack": (UNUSABLE_STACK, {}),
    "an IDT that ends early": (
        "lidt [rip + end]; ? int 0x90; jmp on; end: .short 0xff; .quad IDT; on: nop",
        {},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_kernels_event_leaves_the_frame_that_it_leaves_natively(both, name: str) -> None:
    text, gates = CASES[name]
    native, _ = both(text, gates=gates)
    assert native.records


@pytest.mark.parametrize(
    "gates",
    [{8: {"present": False}}, {8: {"ist": 0}}, {8: {"type": 5}}],
    ids=["absent gate", "the same bad stack", "no gate"],
)
def test_a_fault_of_the_double_fault_handler_ends_the_run(both, gates) -> None:
    native, _ = both(UNUSABLE_STACK, gates=gates)
    assert native.end.name == "TRIPLE_FAULT"


def test_an_empty_idt_is_a_triple_fault(both) -> None:
    native, _ = both("lidt [rip + none]; ud2; none: .short 0; .quad 0")
    assert native.end.name == "TRIPLE_FAULT"


@pytest.mark.parametrize("selector", [0, 0x10, 0x28, 0x30, 0x50, 0x7F8], ids=hex)
@pytest.mark.parametrize("event", ["? int 0x90", "sti; nop; ? ud2"])
def test_a_handlers_selector_is_checked(both, selector: int, event: str) -> None:
    text = f"mov rdi, IDT; mov word ptr [rdi + 0x902], {selector}; mov word ptr [rdi + 0x62], {selector}; {event}"
    native, _ = both(text)
    assert native.records[0].vector in (11, 13)


def test_a_frame_across_pages_is_pushed_down_to_the_page_that_is_missing(both) -> None:
    page = 0xFFFF_FFFF_9000_0000
    text = f"mov rax, {page + 0x1010:#x}; mov rsp, rax; mov rbx, DATA; ud2"
    native, _ = both(text, pages=[(page + 0x1000, 0x230000, 3)])
    assert native.records[0].vector == 8
    assert native.records[0].cr2 == page + 0xFF8


USER_CASES = {
    "software interrupts": "int3; int 0x80; ? int 0x20; ? int 0xe",
    "privileged instructions": "? hlt; ? cli; ? sti; ? mov rax, cr0; ? mov cr3, rax; ? swapgs; ? wbinvd; ? ltr ax; ? rdmsr; ? invlpg [rax]",
    "absent and undefined instructions": "? ud2; ? .byte 0x0f, 0x01, 0xca; ? .byte 0x0f, 0x01, 0xc1; ? .byte 0x0f, 0x07",
    "ports that the bitmap forbids": "mov edx, 0x3f8; ? out dx, al; ? in al, dx; ? .byte 0x6c; ? .byte 0x6e; mov edx, 0xf3; ? in eax, dx",
    "ports that the bitmap opens": "mov edx, 0xf5; in al, dx; mov rsi, USER_DATA; mov rdi, rsi; mov ecx, 3; .byte 0xf3, 0x6c",
    "kernel pages": "mov rax, DATA; ? mov rbx, [rax]; ? mov [rax], rbx; mov rax, 0xffffffff81000000; ? mov rbx, [rax]",
    "its own pages": "mov rax, USER_DATA; mov [rax], rax; mov rax, USER_DATA + 0x1000; ? mov rbx, [rax]",
    "segments": "mov eax, DATA0; ? mov ds, eax; xor eax, eax; ? mov ss, eax; mov ds, eax; mov eax, DATA3; mov ss, eax; mov es, eax",
    "far transfers within its ring": "push CODE3; lea rax, [rip + on]; push rax; .byte 0x48, 0xcb; on: mov eax, CODE3; lar ebx, eax; lsl ecx, eax; verr ax; mov edx, cs",
    "far transfers to the kernel": "push CODE0; push rax; ? .byte 0x48, 0xcb; mov rsp, USER_STACK; push DATA0; push rsp; push 2; push CODE0; push rax; ? iretq",
    "time stamps": "rdtsc; mov ebx, eax; rdtscp; sub eax, ebx",
    "identification": "xor eax, eax; cpuid",
}


@pytest.mark.parametrize("name", USER_CASES)
def test_user_code_faults_and_traps_as_natively(both, name: str) -> None:
    native, _ = both(TO_USER, user=f"{USER_CASES[name]}; {LEAVE}")
    assert native.platform.exit_port.status == 0
    assert all(record.cs == 0x2B and record.ss == 0x23 for record in native.records)


def test_a_kernel_that_gives_users_iopl_3_lets_them_mask_interrupts(both) -> None:
    enter = TO_USER.replace("0x202", "0x3202")
    native, _ = both(
        enter, user=f"int 0x80; cli; int 0x80; sti; int 0x80; mov edx, 0x3fd; in al, dx; {LEAVE}"
    )
    assert [record.rflags & 0x3200 for record in native.records] == [0x3200, 0x3000, 0x3200]


def test_a_return_to_user_code_drops_the_kernels_data_segments(both) -> None:
    show = "mov eax, ds; mov ebx, es; mov ecx, fs; mov esi, gs; mov edi, ss"
    both(
        f"mov eax, DATA0; mov fs, eax; mov gs, eax; mov eax, DATA3; mov es, eax; {TO_USER}",
        user=f"{show}; {LEAVE}",
    )


def test_user_code_with_the_time_stamp_disabled_faults(both) -> None:
    native, _ = both(
        f"mov rax, cr4; or eax, 4; mov cr4, rax; rdtsc; {TO_USER}",
        user=f"? rdtsc; ? rdtscp; {LEAVE}",
    )
    assert native.vectors == [13, 13]


SYSTEM_CALLS = (
    "mov ecx, 0xc0000081; xor eax, eax; mov edx, 0x00180008; wrmsr; mov ecx, 0xc0000082; lea rax, [rip + entry];"
    "mov rdx, rax; shr rdx, 32; wrmsr; mov ecx, 0xc0000084; mov eax, {mask}; xor edx, edx; wrmsr; {body};"
    "entry: mov rsi, rsp; mov rsp, STACK; push rcx; push r11; int 0x80; inc r15; pop r11; pop rcx; mov rsp, rsi;"
    ".byte 0x48, 0x0f, 0x07"
)


@pytest.mark.parametrize("mask", [0x47700, 0x200, 0])
def test_system_calls_arrive_at_lstar_and_return(both, mask: int) -> None:
    text = SYSTEM_CALLS.format(mask=mask, body=TO_USER)
    native, run = both(
        text, user=f"mov r15, 5; stc; syscall; syscall; pushfq; pop rbx; int 0x80; {LEAVE}"
    )
    assert native.gpr("r15") == 7
    assert [record.cs for record in native.records] == [8, 8, 0x2B]
    assert [bool(record.rflags & 0x200) for record in native.records] == [not mask & 0x200] * 2 + [
        True
    ]
    assert (
        run.counters["syscall"] == run.counters["trap.syscall"] == native.counters["syscall"] == 2
    )


def test_a_system_call_of_the_kernel_itself_stays_in_the_kernel(both) -> None:
    text = SYSTEM_CALLS.format(mask=0x700, body="sti; nop; syscall").split("entry:")[0]
    native, _ = both(f"{text} entry: mov r8, rcx; mov r9, r11; ? ud2")
    assert native.gpr("r9") & 0x200
    assert not native.records[0].rflags & 0x200


FAR = {
    "IRET in the kernel": "mov rax, rsp; push DATA0; push rax; push 2; push CODE0; mov rax, {target}; push rax; ? iretq",
    "IRET to user code": "mov rbx, {target}; push DATA3; push rbx; push 2; push CODE3; push rbx; ? iretq",
    "far return": "push CODE0; mov rax, {target}; push rax; ? .byte 0x48, 0xcb",
    "SYSRET": SYSTEM_CALLS.format(
        mask=0x700, body="mov rcx, {target}; mov r11d, 2; ? .byte 0x48, 0x0f, 0x07"
    ),
}


@pytest.mark.parametrize("target", ["0x800000000000", "0x7ffff0000000"])
@pytest.mark.parametrize("name", FAR)
def test_a_far_transfer_to_nowhere_faults_as_natively(both, name: str, target: str) -> None:
    native, _ = both(FAR[name].replace("{target}", target))
    assert native.platform.exit_port.status in (0, 0x10D, 0x10E)


STACKS = ("mov rsp, 0x800000000000; ? iretq", "mov rsp, 0x800000000000; ? .byte 0x48, 0xcb", "mov rbp, 0x800000000000; ? lgdt [rbp]",
          "mov rsp, 0x800000000000; ? pop fs", "mov rsp, 0x800000000000; ud2")  # fmt: skip


@pytest.mark.parametrize("text", STACKS)
def test_a_stack_that_is_nowhere_is_a_stack_fault(both, text: str) -> None:
    native, _ = both(text)
    assert native.records[0].vector in (12, 8)
