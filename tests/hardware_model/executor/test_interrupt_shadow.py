"""When a pending interrupt is taken: IF, the shadows of STI and MOV SS, and the task priority."""

from __future__ import annotations

import pytest

BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])
APIC_ON = "mov dword ptr [APIC+0xf0], 0x1ff; mov dword ptr [APIC+0x3e0], 0xb; mov dword ptr [APIC+0x320], 0x40\n"
PEND = "mov dword ptr [APIC+0x300], 0x40041\n"  # an IPI to itself, vector 0x41
ARM = "mov r9d, {count}; mov [APIC+0x380], r9d\n"


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "nop; sti; nop; taken: nop; nop",
        "sti; mov eax, [APIC+0x20]; taken: nop",
        "sti; cpuid; taken: nop",
        "sti; ? ud2; nop; nop",
        "sti; hlt; taken: nop",
        "sti; pushfq; taken: popfq",
        "push 0x202; popfq; taken: nop",
        "pushfq; or qword ptr [rsp], 0x200; popfq; taken: nop",
        "mov rax, rsp; push 0x10; push rax; push 0x202; push 8; lea rbx, [rip+taken]; push rbx; iretq; taken: nop",
        "mov ss, eax; sti; taken: nop",  # of a sequence only the first holds off interrupts (SDM, STI)
        "sti; mov ss, eax; taken: nop",
        "sti; sti; taken: nop",
        "mov eax, 4; mov cr8, rax; sti; nop; nop; xor eax, eax; mov cr8, rax; taken: nop",
        "mov eax, 5; mov cr8, rax; sti; nop; nop; mov eax, 3; mov cr8, rax; taken: nop",
        "mov dword ptr [APIC+0x80], 0x40; sti; nop; mov dword ptr [APIC+0x80], 0x30; taken: nop",
    ],
)
def test_a_pending_interrupt_is_taken_at_the_first_boundary_that_allows_it(
    run_guest, technique, text
):
    """The handler of the #UD runs with IF = 0; the interrupt follows its IRET."""
    run = run_guest("mov eax, 0x10\n" + APIC_ON + PEND + text + "; nop; cli", technique=technique)
    taken = run.guest.symbols.get("taken", run.guest.symbols.get("after_0"))
    assert [(r.vector, r.rip) for r in run.records if r.vector != 6] == [(0x41, taken)]


@BOTH
@pytest.mark.parametrize(
    "jump",
    [
        "sti; jmp taken",
        "lea rbx, [rip+taken]; sti; jmp rbx",
        "lea rbx, [rip+taken]; push rbx; sti; ret",
        "lea rbx, [rip+taken]; push 8; push rbx; sti; retfq",
        "lea rbx, [rip+taken]; add rsp, 8; sti; call rbx",
    ],
)
def test_so_it_is_where_a_jump_stands_in_the_shadow_and_its_target_has_run_before(
    run_guest, technique, jump
):
    """The second time round the engine goes from block to block without looking for interrupts."""
    text = f"mov eax, 0x10; mov r8d, 2; again: {jump}; nop; taken: nop; cli; " + PEND
    run = run_guest(APIC_ON + text + "dec r8d; jnz again", technique=technique)
    assert [(r.vector, r.rip) for r in run.records] == [(0x41, run.guest.symbols["taken"])]


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "nop; nop",
        "sti; cli; nop",
        "push 2; popfq; nop",
        "mov eax, 4; mov cr8, rax; sti; nop; nop; cli; xor eax, eax; mov cr8, rax",
        "mov eax, 15; mov cr8, rax; sti; nop; nop; cli",
        "mov dword ptr [APIC+0x80], 0x4f; sti; nop; nop; cli",
        "mov dword ptr [APIC+0xf0], 0xff; sti; nop; nop; cli",
    ],
)
def test_an_interrupt_is_held_off(run_guest, technique, text):
    assert run_guest(APIC_ON + PEND + text, technique=technique).records == []


@BOTH
@pytest.mark.parametrize(
    ("code", "late"),
    [
        ("nop; nop; at: nop; next: nop", 0),
        ("nop; mov ss, ax; at: nop; next: nop", 1),
        ("nop; mov ss, ax; at: cpuid; next: nop", 1),
        ("mov ss, ax; nop; at: nop; next: nop", 0),
        ("cli; sti; at: nop; next: nop", 1),
        ("nop; popfq; at: nop; next: nop", 0),
    ],
)
def test_the_shadows_last_one_instruction(run_guest, technique, code, late):
    """The timer expires exactly at `at`, two instructions after it was armed."""
    text = (
        APIC_ON
        + "mov eax, 0x10; pushfq; or qword ptr [rsp], 0x200; mov r9d, 3; sti; nop; mov [APIC+0x380], r9d\n"
    )
    run = run_guest(text + code + "; nop; nop", technique=technique)
    wanted = run.guest.symbols["next" if late else "at"]
    assert [(r.vector, r.rip) for r in run.records] == [(0x40, wanted)]


@BOTH
def test_the_higher_priority_goes_first_and_the_lower_after_its_end_of_interrupt(
    run_guest, technique
):
    pend = "".join(
        f"mov dword ptr [APIC+0x300], {0x40000 | vector:#x}\n" for vector in (0x45, 0x62, 0x51)
    )
    run = run_guest(APIC_ON + pend + "sti; nop; taken: nop; nop", technique=technique)
    assert run.vectors == [0x62, 0x51, 0x45]
    assert {r.rip for r in run.records} == {run.guest.symbols["taken"]}


@BOTH
def test_an_interrupt_in_service_holds_off_its_class_and_lower_ones(boot_guest, technique):
    """The handler of vector 0x62 enables interrupts before its end of interrupt."""
    gates = {0x62: {"handler": "h"}}
    text = "mov dword ptr [APIC+0x300], 0x40062; sti; nop; jmp done\n"
    text += "h: mov dword ptr [APIC+0x300], 0x40061; mov dword ptr [APIC+0x300], 0x40075; sti; nop; in_handler: nop; cli;"
    text += "mov dword ptr [APIC+0xb0], 0; iretq; done: nop; nop"
    run = boot_guest(APIC_ON + text, technique=technique, gates=gates).run()
    assert [(r.vector, r.rip == run.guest.symbols["in_handler"]) for r in run.records] == [
        (0x75, True),
        (0x61, False),
    ]


@BOTH
def test_the_task_priority_is_one_register_with_two_addresses(run_guest, technique):
    text = "mov eax, 9; mov cr8, rax; mov ebx, [APIC+0x80]; mov dword ptr [APIC+0x80], 0x35; mov rcx, cr8; mov esi, [APIC+0x80]"
    run = run_guest(
        APIC_ON + text + "; mov [DATA], rbx; mov [DATA+8], rcx; mov [DATA+16], rsi",
        technique=technique,
    )
    assert [run.data(n) for n in (0, 8, 16)] == [0x90, 3, 0x35]


@BOTH
def test_the_task_priority_outlives_requests_and_ends_of_interrupts(run_guest, technique):
    text = (
        "mov eax, 5; mov cr8, rax\n"
        + PEND
        + "mov dword ptr [APIC+0xb0], 0; mov rbx, cr8; mov [DATA], rbx"
    )
    assert run_guest(APIC_ON + text, technique=technique).data() == 5
