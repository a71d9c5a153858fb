"""Faults while another event is delivered: serial delivery, double fault, triple fault (SDM vol. 3A table 6-5)."""

from __future__ import annotations

import pytest

from hardware_model.machine import End

BOTH = pytest.mark.parametrize("technique", ["native", "hvm-ept"])
ENTER_USER = "push DATA3; push USER_STACK; push 2; push CODE3; push USER; iretq\n"
ABSENT = {"present": False}
LOG = "h: mov rsi, rsp; mov rcx, [rsi]; mov [DATA], rcx; mov rcx, [rsi+8]; mov [DATA+8], rcx; mov rsp, STACK\n"
EXTERNAL, IN_IDT = 1, 2


def shown(run):
    """What the handler `h` found on its stack: error code and RIP."""
    return run.data(0), run.data(8)


@BOTH
@pytest.mark.parametrize(
    ("fault", "absent", "vector", "error"),
    [
        ("ud2", 6, 11, 6 * 8 + IN_IDT + EXTERNAL),  # #NP in the delivery of #UD
        ("int 0x80", 0x80, 11, 0x80 * 8 + IN_IDT),  # an INT n is not external to the program
        ("int3", 3, 11, 3 * 8 + IN_IDT),
        ("mov rax, [0x12345678]", 14, 8, 0),  # #NP in the delivery of #PF
        ("mov ds, cx", 13, 8, 0),  # #NP in the delivery of #GP
        ("mov ss, dx", 12, 8, 0),  # #NP in the delivery of #SS
        ("div esi", 0, 8, 0),  # #NP in the delivery of #DE
    ],
)
def test_a_missing_gate_is_not_present_or_a_double_fault(
    boot_guest, technique, fault, absent, vector, error
):
    text = f"mov cx, 0x1000; mov dx, 0x50; xor esi, esi; at: {fault}\n" + LOG
    run = boot_guest(
        text, technique=technique, gates={absent: ABSENT, vector: {"handler": "h"}}
    ).run()
    assert run.end is End.EXITED
    assert shown(run) == (error, run.guest.symbols["at"])


@BOTH
def test_int_n_through_a_gate_of_ring_0_is_a_general_protection_at_the_int(run_guest, technique):
    user = "nop; ? int 0x30; nop; mov edx, 0xf4; xor eax, eax; out dx, eax"
    run = run_guest(ENTER_USER, user=user, technique=technique)
    (record,) = run.records
    assert (record.vector, record.error) == (13, 0x30 * 8 + IN_IDT)
    assert record.rip == run.guest.symbols["user.fault_0"]


@BOTH
@pytest.mark.parametrize("software", ["int 0x80", "int3"])
@pytest.mark.parametrize(
    "intercepted",
    ["cpuid", "mov rax, cr0; mov cr0, rax", "? ud2", "mov eax, [APIC+0x20]", "out 0x80, al"],
)
def test_an_intercept_after_a_software_interrupt_resumes_where_it_should(
    run_guest, technique, software, intercepted
):
    """The engine keeps the RIP behind a software interrupt, and would resume there after the next intercept."""
    text = f"{software}; {intercepted}; inc qword ptr [DATA]; {software}; nop; {intercepted.replace('?', '')}; inc qword ptr [DATA]"
    text = (
        text
        if "ud2" not in intercepted
        else f"{software}; ? ud2; inc qword ptr [DATA]; {software}; nop; ? ud2; inc qword ptr [DATA]"
    )
    run = run_guest(text, technique=technique)
    assert run.data() == 2
    assert len([v for v in run.vectors if v in (3, 0x80)]) == 2


@BOTH
@pytest.mark.parametrize(
    ("gates", "text"),
    [
        ({13: ABSENT, 8: ABSENT}, "mov cx, 0x1000; mov ds, cx"),
        ({14: ABSENT, 8: ABSENT}, "mov rax, [0x12345678]"),
        ({}, "lidt [rip+none]; ud2; none: .quad 0, 0"),
        ({}, "xor esp, esp; mov byte ptr [IDT+133], 0; push rax"),
        ({}, "mov rax, cr3; mov cr3, rax; mov rsp, 0x800000000000; mov byte ptr [IDT+132], 0; ud2"),
    ],
)
def test_a_triple_fault_ends_the_run(boot_guest, technique, gates, text):
    assert boot_guest(text, technique=technique, gates=gates).run(10_000).end is End.TRIPLE_FAULT


@BOTH
def test_a_double_fault_is_delivered_on_its_own_stack(run_guest, technique):
    """RSP is useless: only the interrupt stack of the double fault's gate can take a frame."""
    run = run_guest(
        "mov rbx, rsp; mov esp, 0x7ffff000; ? push rax; mov rsp, rbx", technique=technique
    )
    (record,) = run.records
    assert (record.vector, record.error, record.rsp) == (8, 0, 0x7FFFF000)


@BOTH
def test_a_page_fault_in_the_delivery_of_an_interrupt_is_delivered_first(boot_guest, technique):
    """The stack page of the delivery to ring 0 is absent; the handler of #PF runs on an interrupt stack."""
    stack = 0x700000
    text = f"mov rax, {stack}; mov [TSS+4], rax\n" + ENTER_USER
    text += "h: pop rax; mov [DATA], rax; mov rax, [rsp]; mov [DATA+8], rax; mov rax, cr2; mov [DATA+16], rax"
    run = boot_guest(
        text, user="nop; int 0x80; nop", technique=technique, gates={14: {"handler": "h", "ist": 1}}
    ).run()
    assert run.end is End.EXITED
    assert [run.data(n) for n in (0, 8, 16)] == [2, 0x400001, stack - 8]


@BOTH
def test_an_interrupted_delivery_starts_again_after_the_page_fault(boot_guest, technique):
    """The #PF handler maps the stack; the INT n executes again, with one frame on the new stack."""
    stack = 0x701000
    page = (0x700000, 0x240000, 0)  # its entry is there, not present
    text = f"mov rax, {stack}; mov [TSS+4], rax\n" + ENTER_USER
    text += "pf: add rsp, 8; mov rax, cr3; mov rax, [rax+VA]; and rax, -4096; mov rax, [rax+VA]; and rax, -4096\n"
    text += "mov rax, [rax+VA+24]; and rax, -4096; or qword ptr [rax+VA+0x800], 3; inc qword ptr [DATA]; iretq; h: mov [DATA+8], rsp"
    gates = {14: {"handler": "pf", "ist": 1}, 0x80: {"handler": "h"}}
    run = boot_guest(
        text, user="nop; int 0x80", technique=technique, gates=gates, pages=[page]
    ).run()
    assert run.end is End.EXITED
    assert [run.data(0), run.data(8)] == [1, stack - 40]
