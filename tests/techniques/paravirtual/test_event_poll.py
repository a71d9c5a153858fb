"""sched_op poll: waiting for masked event channels, and until a time; and the console's channel."""

from __future__ import annotations

from pathlib import Path

import pytest

from .attack_guest import EFAULT, EINVAL, answers, outcome

NOW = "call xen_system_time\n mov r12, rax\n"
POLL = """
    mov qword ptr [rip + operation], 0
    lea rax, [rip + request]
    mov [rip + operation], rax
    mov dword ptr [rip + operation + 8], {count}
    mov rax, {timeout}
    mov [rip + operation + 16], rax
    mov edi, 3
    lea rsi, [rip + operation]
    HYPERCALL XEN_SCHED_OP
    mov [rip + result + {index} * 8], rax
"""
PORT = "mov eax, [rip + xen_ipi_channel + 4]\n mov [rip + request], eax\n"
MASK = """
    mov ecx, [rip + request]
    lea rax, [rip + xen_shared_info]
    bts dword ptr [rax + SHARED_CHANNELS_MASKED], ecx
"""
ELAPSED = "call xen_system_time\n sub rax, r12\n mov [rip + result + {index} * 8], rax\n"


def test_a_poll_of_a_channel_that_is_pending_returns_at_once(tmp_path: Path) -> None:
    """Though it is masked, and no upcall will come."""
    body = "push r12\n" + PORT + MASK + "call xen_send_to_self\n" + NOW
    body += POLL.format(count=1, timeout=0, index=0) + ELAPSED.format(index=1) + "pop r12\n"
    answer, elapsed, *_ = answers(tmp_path, body)
    assert answer == 0
    assert elapsed < 100


def test_a_poll_ends_at_its_time(tmp_path: Path) -> None:
    """No channel is pending: 100,000 ns later the guest goes on, and the timer of set_timer_op has nothing to do with it."""
    body = "push r12\n" + PORT + MASK + NOW
    body += POLL.format(count=1, timeout=0, index=2).replace(
        "mov rax, 0\n", "lea rax, [r12 + 100000]\n"
    )
    body += ELAPSED.format(index=1) + "pop r12\n"
    _, elapsed, answer, *_ = answers(tmp_path, body)
    assert answer == 0
    assert 100_000 <= elapsed < 100_200


def test_an_upcall_ends_a_poll_too(tmp_path: Path) -> None:
    """The timer's event is not among the channels, and events are masked: its pending flag is enough."""
    timer = "lea rdi, [r12 + 50000]\n HYPERCALL XEN_SET_TIMER_OP\n"
    body = "push r12\n pv_irq_disable\n" + PORT + MASK + NOW + timer
    body += POLL.format(count=1, timeout=0, index=0) + ELAPSED.format(index=1) + "pop r12\n"
    answer, elapsed, *_ = answers(tmp_path, body)
    assert answer == 0
    assert 50_000 <= elapsed < 50_200


def test_a_poll_that_nothing_can_end_is_told(tmp_path: Path) -> None:
    ended = outcome(tmp_path, PORT + MASK + POLL.format(count=1, timeout=0, index=0))
    assert ended.status == "failed"
    assert "nothing left to wake it" in ended.reason


@pytest.mark.parametrize(
    ("prepare", "count", "answer"),
    [
        ("", 129, EINVAL),
        ("mov dword ptr [rip + request], 4000\n", 1, EINVAL),
        ("", 0, 0),
    ],
)
def test_what_cannot_be_polled_is_refused(
    tmp_path: Path, prepare: str, count: int, answer: int
) -> None:
    body = prepare + POLL.format(count=count, timeout=1, index=0)
    assert answers(tmp_path, body)[0] == answer


def test_channels_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    body = POLL.format(count=1, timeout=0, index=0).replace(
        "lea rax, [rip + request]", "mov eax, 8"
    )
    assert answers(tmp_path, body)[0] == EFAULT


def test_the_console_takes_text_from_its_ring_when_it_is_told_by_its_channel(
    tmp_path: Path,
) -> None:
    """The ring lies behind start_info (io/console.h): 2,048 bytes for output from 1,024 on, and two indices."""
    body = """
    mov rdi, KERNEL_BASE + 0x2000
    lea rsi, [rip + text]
    lea rdi, [rdi + 1024 + 2040]         # eight bytes before the ring's end
    mov rdx, KERNEL_BASE + 0x2000
    mov dword ptr [rdx + 3080], 2040     # out_cons
    mov ecx, 8
    rep movsb
    lea rdi, [rdx + 1024]
    mov ecx, 5
    rep movsb
    mov dword ptr [rdx + 3084], 2040 + 13
    mov dword ptr [rip + operation], 2   # the channel that start_info names
    mov edi, EVTCHNOP_SEND
    lea rsi, [rip + operation]
    HYPERCALL XEN_EVENT_CHANNEL_OP
    mov [rip + result], rax
    mov rdx, KERNEL_BASE + 0x2000
    mov eax, [rdx + 3080]
    mov [rip + result + 8], rax
    mov rax, [rip + xen_shared_info + SHARED_CHANNELS_PENDING]
    shr rax, 2
    and eax, 1
    mov [rip + result + 16], rax         # there is room again
    jmp told
text: .ascii "over the edge"
told:
    """
    ended = outcome(tmp_path, body)
    assert ended.status == "ok", ended.reason
    assert ended.console.endswith(b"over the edge")
    assert answers(tmp_path, body)[:3] == [0, 2040 + 13, 1]
