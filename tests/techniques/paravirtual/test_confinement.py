"""A ported guest reaches neither the hypervisor nor its own page tables, and ends with a sentence where it must."""

from __future__ import annotations

from pathlib import Path

import pytest

import workloads
from techniques import run_guest
from techniques.paravirtual.clock import SystemClock
from techniques.paravirtual.vmm import Paravirtual
from techniques.technique import Technique

from .attack_guest import FOOTER, HEADER, answers, outcome


def test_a_guest_that_blocks_for_ever_is_told_so(tmp_path: Path) -> None:
    ended = outcome(tmp_path, "call xen_block")
    assert ended.status == "failed"
    assert "nothing left to wake it" in ended.reason


def test_a_stack_that_cannot_be_written_ends_the_guest_with_a_sentence(tmp_path: Path) -> None:
    ended = outcome(tmp_path, "mov rsp, 0x1000\n ud2")
    assert (ended.status, ended.reason) == (
        "failed",
        "the guest kernel's stack at 0xfc8 cannot be written",
    )


def test_a_store_to_a_page_table_faults(tmp_path: Path) -> None:
    body = "mov rax, [rip + kernel_root]\n mov rcx, DIRECT_MAP\n mov qword ptr [rax + rcx], 0"
    ended = outcome(tmp_path, body)
    assert ended.guest_status == 255
    assert b"000000000000000e 0000000000000003" in ended.console


def test_the_machine_to_physical_table_can_be_read_but_not_written(tmp_path: Path) -> None:
    read = "mov rax, MACHINE_TO_PHYSICAL\n shr rbx, 12\n mov rax, [rax + rbx*8]\n"
    assert answers(tmp_path, read + "mov [rip + result], rax")[0] > 0
    assert outcome(tmp_path, "mov rax, MACHINE_TO_PHYSICAL\n mov [rax], rax").guest_status == 255


def test_the_guest_runs_at_cpl_3_and_cannot_reach_the_hypervisor(tmp_path: Path) -> None:
    assert answers(tmp_path, "mov eax, cs\n mov [rip + result], rax")[0] == 0xE033
    assert outcome(tmp_path, "mov rax, 0xffff820000000000\n mov rax, [rax]").guest_status == 255


def test_the_timer_event_comes_at_the_deadline_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[int] = []
    expired = SystemClock.expired

    def observed(clock: SystemClock) -> bool:
        deadline, now = clock.deadline, clock.now
        if expired(clock):
            assert deadline is not None
            late.append(now - deadline)
            return True
        return False

    monkeypatch.setattr(SystemClock, "expired", observed)
    run_guest("pv", workloads.find("kernel/null-call"), "small")
    assert late == [0] * len(late) != []


def test_what_is_kept_of_refusals_and_of_numbers_does_not_grow_for_ever(tmp_path: Path) -> None:
    """3,000 pointers to nowhere and 3,000 numbers of calls, each another one."""
    seen: list[Paravirtual] = []

    def keep(guest: Technique) -> None:
        assert isinstance(guest, Paravirtual)
        seen.append(guest)

    source = tmp_path / "attack.asm"
    body = """
    push r12
    mov r12d, 3000
    again:
    mov edi, 1
    mov rsi, r12
    shl rsi, 12
    HYPERCALL XEN_VERSION
    lea eax, [r12 + 100]
    syscall
    dec r12d
    jnz again
    pop r12
    """
    source.write_text(HEADER + body + FOOTER)
    ended = run_guest("pv", workloads.find(source), "small", then=keep)
    assert ended.status == "ok", ended.reason
    (guest,) = seen
    assert len(guest.domain.rejections) <= 1001
    assert guest.domain.rejections["EFAULT"] >= 1000
    assert len(guest.hot_exits) < 100
    assert ended.counters_total["hypercall.unimplemented.other"] == 3000
