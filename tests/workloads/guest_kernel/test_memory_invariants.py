"""What holds for a kernel's memory whatever ran: no frame lost, nothing writable and executable, kernel and user apart."""

from __future__ import annotations

import pytest

from hardware_model.boot import KERNEL_BASE

DIRECT_MAP = 0xFFFF880000000000


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("kernel/fork-wait", "iterations"),
        ("kernel/exec", "iterations"),
        ("kernel/mmap-munmap", "rounds"),
        ("kernel/page-fault", "rounds"),
        ("kernel/cow-fault", "rounds"),
        ("kernel/context-switch@8p16k", "switches"),
        ("memory/page-table-churn", "rounds"),
    ],
)
def test_no_frame_is_lost(run_suite, name, parameter):
    small = run_suite(name)
    doubled = run_suite(name, **{parameter: 48})
    assert small.frames_in_use() == doubled.frames_in_use()


def test_no_block_is_lost(words, run):
    program = """
    mov r12d, 5
again:
    CALL SYS_MMAP, 0x200000, MMAP_LARGE
    mov rbx, rax
    inc qword ptr [rbx]
    CALL SYS_FORK
    test rax, rax
    jz child
    CALL SYS_WAIT
    inc qword ptr [rbx]
    CALL SYS_MUNMAP, rbx, 0x200000
    dec r12d
    jnz again
    EXIT
child:
    inc qword ptr [rbx]
    EXIT"""
    ran = run(program)
    assert ran.status == 0
    assert ran.frames_in_use()[1] == 0


def test_no_page_is_both_writable_and_executable(run_suite):
    ran = run_suite("kernel/pipe")
    user = run_user_root(ran)
    pages = [*ran.leaves(), *ran.leaves(user)]
    assert not [page for page in pages if page.writable and page.executable]


def test_no_frame_that_is_executed_is_writable_but_through_the_direct_map(run_suite):
    ran = run_suite("kernel/pipe")
    pages = [*ran.leaves(), *ran.leaves(run_user_root(ran))]
    pages = [page for page in pages if not DIRECT_MAP <= page.linear < DIRECT_MAP + (1 << 39)]
    executable = {page.physical for page in pages if page.executable}
    assert executable
    assert not executable & {page.physical for page in pages if page.writable}


def test_the_kernel_s_half_is_global_and_closed_to_users(run_suite):
    ran = run_suite("kernel/pipe")
    for page in ran.leaves():
        assert page.linear >= 1 << 63
        assert page.entry & 0x104 == 0x100, hex(page.linear)
    text = [page for page in ran.leaves() if page.executable]
    assert text[0].linear == KERNEL_BASE + 0x100000
    assert text[-1].linear + 4096 == ran.symbols["kernel_end"]


def test_the_direct_map_shows_all_memory(run_suite):
    ran = run_suite("kernel/pipe")
    shown = [page for page in ran.leaves() if page.linear < KERNEL_BASE]
    assert [page.physical for page in shown] == list(range(0, 32 << 20, 2 << 20))
    assert all(page.linear == DIRECT_MAP + page.physical for page in shown)


def run_user_root(ran) -> int:
    """The address space of process 1, which ran last."""
    return ran.guest.guest_registers().cr[2] & ~0xFFF


def test_smep_and_smap_are_used(run_suite):
    cr0, _, _, cr4 = run_suite("kernel/pipe").guest.guest_registers().cr
    assert cr0 & 1 << 16
    assert cr4 & (1 << 20 | 1 << 21 | 1 << 7) == 1 << 20 | 1 << 21 | 1 << 7


def test_tables_of_the_highest_slot_of_the_root_are_released_and_shared_ones_stay(run):
    """The span of PML4 slot 511 ends at 2^64, where the kernel's image is, too."""
    program = """
.set HIGHEST_SLOT, 0xffffff8000000000
    mov rdi, [rip + kernel_root]
    mov rsi, HIGHEST_SLOT
    mov edx, LEVEL_PAGE
    call make_slot
    mov rdi, [rip + kernel_root]
    mov rsi, HIGHEST_SLOT
    lea rdx, [rsi + PAGE]
    mov rcx, rsi
    mov r8, KERNEL_BASE
    call release_tables
    mov rdi, [rip + kernel_root]
    mov rsi, HIGHEST_SLOT
    mov edx, LEVEL_PAGE
    call find_slot
    test rax, rax
    setnz al
    movzx eax, al
    ret"""
    ran = run(kernel=program)
    assert ran.status == 0
    assert ran.frames_in_use() == run(kernel="xor eax, eax\nret").frames_in_use()
