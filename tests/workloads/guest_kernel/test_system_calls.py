"""System calls: results, errors, and what they do with addresses that a program may not use."""

from __future__ import annotations

import pytest

ESRCH, EBADF, ECHILD, EFAULT, EINVAL, ENOSYS = 3, 9, 10, 14, 22, 38
KERNEL_TEXT = 0xFFFFFFFF80100000


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("CALL 19", ENOSYS),
        ("CALL SYS_WAIT", ECHILD),
        ("CALL SYS_KILL, 77, SIGNAL_USER", ESRCH),
        ("CALL SYS_KILL, 0, SIGNAL_USER", ESRCH),
        ("CALL SYS_KILL, 1, 0", EINVAL),
        ("CALL SYS_KILL, 1, 16", EINVAL),
        ("CALL SYS_SET_HANDLER, 16, 0", EINVAL),
        ("CALL SYS_READ, 0, 0x400000, 1", EBADF),
        ("CALL SYS_READ, 99, 0x400000, 1", EBADF),
        ("CALL SYS_WRITEFD, 0, 0x400000, 1", EBADF),
        ("CALL SYS_SET_RESULT, 64, 1", EINVAL),
        ("CALL SYS_GET_PARAM, 16", EINVAL),
        ("CALL SYS_MMAP, 0", EINVAL),
        ("CALL SYS_MMAP, -1", EINVAL),
        ("CALL SYS_MUNMAP, 0x400001, 4096", EINVAL),
        ("CALL SYS_MUNMAP, 0x400000, 0", EINVAL),
        ("CALL SYS_MUNMAP, 0x400000, -1", EINVAL),
        ("CALL SYS_MUNMAP, -4096, 4096", EINVAL),
        ("CALL SYS_MPROTECT, 0x400001, 4096, 0", EINVAL),
        ("CALL SYS_WRITE, 0, 4", EFAULT),
        (f"CALL SYS_WRITE, {KERNEL_TEXT:#x}, 4", EFAULT),
        ("CALL SYS_WRITE, 0x7ffffffffffc, 8", EFAULT),
        ("CALL SYS_WRITE, 0x800000000000, 8", EFAULT),
        ("CALL SYS_WRITE, 0x4000000000000000, 8", EFAULT),
        ("CALL SYS_WRITE, -4, 8", EFAULT),
        ("CALL SYS_PIPE, 0", EFAULT),
        ("CALL SYS_PIPE, 0x400000", EFAULT),
    ],
)
def test_a_bad_argument_gives_its_error(words, call, error):
    assert words(f"{call}\nKEEP 0, rax\nEXIT")[0] == -error


def test_a_call_keeps_all_registers_but_three(words):
    names = ("rbx", "rbp", "rdi", "rsi", "rdx", "r8", "r9", "r10", "r12", "r13", "r14", "r15")
    before = "\n".join(f"mov {name}, {100 + n}" for n, name in enumerate(names))
    checks = "\n".join(f"cmp {name}, {100 + n}\njne wrong" for n, name in enumerate(names))
    program = f"{before}\nmov eax, SYS_GETPID\nsyscall\n{checks}\nEXIT\nwrong: EXIT 1"
    assert not any(words(program))


def test_parameters_come_at_rdi_and_by_call(words):
    program = (
        "mov rbx, [rdi + PARAM_B * 8]\nKEEP 0, rbx\nCALL SYS_GET_PARAM, PARAM_A\nKEEP 1, rax\nEXIT"
    )
    assert words(program, a=11, b=22)[:2] == (22, 11)


def test_the_parameter_page_is_read_only(run):
    assert run("mov qword ptr [rdi], 1\nEXIT").status == 128 + 11


def test_write_puts_text_on_the_console(run):
    text = "The quick brown fox jumps over the lazy dog, again and again, until it is tired.\\n"
    ran = run(f"SAY text, {len(text) - 1}\nKEEP 0, rax\nEXIT", f'text: .ascii "{text}"')
    assert ran.console == text.replace("\\n", "\n")
    assert ran.words[0] == len(text) - 1


def test_nothing_of_a_text_is_lost_at_the_edge_of_memory(run):
    program = """
    CALL SYS_MMAP, 4096, MMAP_POPULATE
    lea rbx, [rax + 4096 - 3]
    CALL SYS_WRITE, rbx, 3
    KEEP 0, rax
    CALL SYS_WRITE, rbx, 4
    KEEP 1, rax
    EXIT"""
    assert run(program).words[:2] == (3, -EFAULT)


def test_a_status_of_64_bits_comes_from_wait(words):
    program = """
    CALL SYS_FORK
    test rax, rax
    jz child
    lea rbx, [rip + status]
    CALL SYS_WAIT, rbx
    mov rbx, [rbx]
    KEEP 0, rbx
    EXIT
child:
    EXIT 0x123456789"""
    assert words(program, "status: .quad 0")[0] == 0x23456789  # a status has 32 bits


def test_wait_with_a_bad_address_keeps_the_child(words):
    program = """
    CALL SYS_FORK
    test rax, rax
    jz child
    CALL SYS_WAIT, 8
    KEEP 0, rax
    CALL SYS_WAIT
    KEEP 1, rax
    EXIT
child:
    EXIT"""
    assert words(program)[:2] == (-EFAULT, 2)
