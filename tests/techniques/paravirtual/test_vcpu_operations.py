"""vcpu_op: timers, and where the virtual processor's part of the shared page lies."""

from __future__ import annotations

from pathlib import Path

from .attack_guest import EINVAL, TO_PAGE, answers

VCPU_OP = """
    mov edi, {command}
    xor esi, esi
    lea rdx, [rip + operation]
    HYPERCALL 24
    mov [rip + result + {index} * 8], rax
"""


def test_a_one_shot_timer_may_refuse_a_time_that_has_passed(tmp_path: Path) -> None:
    future = "mov qword ptr [rip + operation], 1\n mov dword ptr [rip + operation + 8], {flags}\n"
    body = "".join(
        future.format(flags=flags) + VCPU_OP.format(command=8, index=index)
        for index, flags in enumerate((1, 0))
    )
    assert answers(tmp_path, body)[:2] == [-62, 0]


def test_the_periodic_timer_ticks_beside_the_one_shot_timer(tmp_path: Path) -> None:
    """A period of 2 ms: three events, the one-shot timer's between the first and the second; none after it is stopped."""
    wait = "call xen_block\n pv_irq_disable\n call xen_system_time\n sub rax, r12\n"
    start = """
    push r12
    mov qword ptr [rip + operation], 2000000
    """
    origin = "mov rax, [rip + result]\n call xen_system_time\n mov r12, rax\n"
    once = "lea rdi, [r12 + 500000]\n HYPERCALL XEN_SET_TIMER_OP\n"
    waits = "".join(wait + f"mov [rip + result + {index} * 8], rax\n" for index in (2, 3, 4, 5))
    stop = VCPU_OP.format(command=7, index=6) + once.replace("500000", "9000000") + wait
    body = start + VCPU_OP.format(command=6, index=0) + origin + once + waits
    found = answers(tmp_path, body + stop + "mov [rip + result + 56], rax\n pop r12\n")
    assert (found[0], found[6]) == (0, 0)
    times = [round(time / 100_000) for time in (*found[2:6], found[7])]
    assert times == [5, 20, 40, 60, 90]


def test_a_period_may_not_be_short(tmp_path: Path) -> None:
    body = "mov qword ptr [rip + operation], 999999\n" + VCPU_OP.format(command=6, index=0)
    assert answers(tmp_path, body)[0] == EINVAL


def test_the_virtual_processors_part_of_the_shared_page_is_moved_once(tmp_path: Path) -> None:
    """To the end of a page of the guest's, not over it; the frame is held writable from then on."""
    where = """
    lea rax, [rip + page]
    mov rcx, KERNEL_BASE
    sub rax, rcx
    pv_frame_to_entry rax
    shr rax, 12
    mov [rip + operation], rax
    mov dword ptr [rip + operation + 8], {offset}
    """
    body = "".join(
        where.format(offset=offset) + VCPU_OP.format(command=10, index=index)
        for index, offset in enumerate((4040, 4032, 0))
    )
    pin = TO_PAGE + "mov rsi, rax\n shr rsi, 12\n EXTENDED 3, 0"  # MMUEXT_PIN_L1_TABLE
    assert answers(tmp_path, body + pin)[:4] == [EINVAL, 0, EINVAL, EINVAL]
