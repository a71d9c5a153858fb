"""IRET and SYSRET enter user code from the cache, and the VMM only where the two tables or the flags want it."""

from __future__ import annotations

import pytest

from tests.small_guest import CODE3, DATA3, GDT, USER, USER_STACK
from tests.techniques.binary_translation.conftest import differences

LEAVE = "mov edx, 0xf4; xor eax, eax; out dx, eax"
CALM = "pushfq; and dword ptr [rsp], 0xfffffeff; popfq; "  # no longer single-stepping
GATE = {0x90: {"handler": "entry", "dpl": 3}}
USER_CODE_ACCESS, USER_DATA_ACCESS = GDT + (CODE3 & ~7) + 5, GDT + (DATA3 & ~7) + 5


def to_user(flags: int = 0x202) -> str:
    """The kernel enters its user code by IRET."""
    return f"push {DATA3}\npush {USER_STACK:#x}\npush {flags:#x}\npush {CODE3}\nmov rax, {USER:#x}\npush rax\niretq\n"


ROUNDS = f"mov ecx, 50; again: int 0x90; loop again; {LEAVE}"


def emulated(run) -> int:
    return run.counters["bt.callout.emulate"]


def test_the_first_iret_to_user_code_calls_out_and_no_other(translated):
    run, _ = translated(to_user() + "entry: inc rbx\niretq\n", user=ROUNDS, gates=GATE)
    once, _ = translated(to_user() + "entry: iretq\n", user=LEAVE, gates=GATE)
    assert run.gpr("rbx") == 50
    assert emulated(run) == emulated(once)


@pytest.mark.parametrize(
    "change",
    [
        f"mov byte ptr [{USER_CODE_ACCESS - (1 << 64)}], 0x7b",
        f"mov byte ptr [{USER_DATA_ACCESS - (1 << 64)}], 0x73",
        f"mov byte ptr [{USER_DATA_ACCESS - (1 << 64)}], 0x93",
        f"mov byte ptr [{USER_DATA_ACCESS - (1 << 64)}], 0xf1",
    ],
)
def test_a_descriptor_that_the_kernel_changes_is_looked_at_by_the_next_iret(change):
    body = f"entry: inc rbx\ncmp rbx, 5\njne on\n{change}\non:\n?iretq\n"
    assert differences(to_user() + body, user=ROUNDS, gates=GATE) == []


def test_a_descriptor_changed_there_and_back_around_a_trap_counts_as_it_is():
    access = USER_DATA_ACCESS - (1 << 64)
    body = f"entry: inc rbx\nmov byte ptr [{access}], 0x73\nwbinvd\nmov byte ptr [{access}], 0xf3\n?iretq\n"
    assert differences(to_user() + body, user=ROUNDS, gates=GATE) == []


@pytest.mark.parametrize("flags", [0x2, 0x3202, 0x302, 0x40202, 0x10202, 0x200ED7, 0x4202])
def test_flags_of_the_frame_become_the_users(flags):
    body = f"entry: add rbx, [rsp + 16]\nmov dword ptr [rsp + 16], {flags:#x}\n?iretq\n"
    user = f"mov ecx, 5; again: int 0x90; loop again; {CALM if flags == 0x302 else ''}{LEAVE}"
    assert differences(to_user() + body, user=user, gates=GATE) == []


SYSCALLS = f"""
mov ecx, 0xc0000080
rdmsr
or eax, 1
wrmsr
mov ecx, 0xc0000081
xor eax, eax
mov edx, {0x1B << 16 | 8:#x}
wrmsr
mov ecx, 0xc0000082
lea rax, [rip + entry]
mov rdx, rax
shr rdx, 32
wrmsr
"""


def test_sysret_does_not_call_out(translated):
    user = f"mov r12d, 50; again: syscall; dec r12; jnz again; {LEAVE}"
    kernel = SYSCALLS + to_user() + "entry: inc rbx\nsysretq\n"
    run, _ = translated(kernel, user=user)
    once, _ = translated(kernel, user=user.replace("50", "1"))
    assert run.gpr("rbx") == 50
    assert emulated(run) == emulated(once)


@pytest.mark.parametrize("flags", [0x2, 0x3202, 0x302, 0x40202, 0x200ED7, 0x4202, 1 << 63 | 0x202])
def test_flags_of_r11_become_the_users(flags):
    user = (
        f"mov r12d, 5; again: syscall; dec r12; jnz again; {CALM if flags == 0x302 else ''}{LEAVE}"
    )
    kernel = SYSCALLS + to_user() + f"entry: add rbx, r11\nmov r11, {flags:#x}\nsysretq\n"
    assert differences(kernel, user=user) == []


@pytest.mark.parametrize(
    "text",
    [
        "mov ecx, 0xc0000081\nmov edx, 0x230008\nwrmsr",  # SYSRET's segments are others from here on
        f"mov byte ptr [{USER_DATA_ACCESS - (1 << 64)}], 0x73",
        f"mov byte ptr [{USER_CODE_ACCESS - (1 << 64)}], 0x7b\nwbinvd",
        "mov rcx, 0x800000000000",
        "push 0x4202\npopfq",
    ],
)
def test_sysret_does_what_it_does_natively_whatever_the_kernel_did_before(text):
    user = f"mov r12d, 5; again: syscall; mov eax, cs; add r8, rax; mov eax, ss; add r8, rax; dec r12; jnz again; {LEAVE}"
    keep = f"entry: inc rbx\nmov r13, rcx\nmov r14, r11\nmov rcx, r13\n{text}\n"
    restore = "" if "0x8000" in text else "mov rcx, r13\n"
    kernel = (
        SYSCALLS
        + to_user()
        + keep
        + restore
        + "mov r11, r14\nxor eax, eax\nxor edx, edx\n?sysretq\n"
    )
    assert differences(kernel, user=user) == []


def test_a_timer_interrupts_user_code_that_was_entered_from_the_cache(translated):
    timer = "mov rbx, APIC\nmov dword ptr [rbx + 0xf0], 0x1ff\nmov dword ptr [rbx + 0x3e0], 0xb\n"
    timer += "mov dword ptr [rbx + 0x320], 0x20041\nmov dword ptr [rbx + 0x380], 97\nxor ebx, ebx\n"
    user = f"mov ecx, 300; again: int 0x91; inc r8; loop again; {LEAVE}"
    run, _ = translated(
        timer + to_user() + "entry: inc rbx\niretq\n", user=user, gates={0x91: GATE[0x90]}
    )
    assert run.vectors.count(0x41) > 10
