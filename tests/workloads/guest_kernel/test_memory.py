"""Memory of processes: demand paging, copy-on-write, protection, regions."""

from __future__ import annotations

import pytest

from hardware_model.machine import End

ENOMEM, EINVAL = 12, 22

HANDLER = """
handler:                            # counts, and resumes at r15
    inc r14
    mov [rsi + SIGNAL_FRAME_RIP], r15
    mov [rsi + 8], r14              # r14 of the frame
    mov eax, SYS_SIGRETURN
    syscall
"""
CATCH = """
    lea rbx, [rip + handler]
    CALL SYS_SET_HANDLER, SIGNAL_FAULT, rbx
    xor r14d, r14d
"""


def attempt(instruction: str, number: int) -> str:
    """An instruction that may fault; result `number` is 1 if it did."""
    after = f"after_{number}"
    return f"""
    lea r15, [rip + {after}]
    mov r13, r14
    {instruction}
{after}:
    mov rax, r14
    sub rax, r13
    KEEP {number}, rax
"""


def faults(*instructions: str) -> str:
    """A program that tries each; the address of a mapping is in r12 if `setup` puts it there."""
    return "".join(attempt(text, n) for n, text in enumerate(instructions)) + "EXIT\n" + HANDLER


def test_fresh_memory_is_zero_even_if_its_frame_was_used(words):
    program = """
    xor r13d, r13d
    mov r14d, 3
again:
    CALL SYS_MMAP, 8192
    mov rbx, rax
    or r13, [rbx]
    or r13, [rbx + 8184]
    mov qword ptr [rbx], -1
    mov qword ptr [rbx + 8184], -1
    CALL SYS_MUNMAP, rbx, 8192
    dec r14
    jnz again
    KEEP 0, r13
    EXIT"""
    assert words(program)[0] == 0


@pytest.mark.parametrize(
    ("instruction", "faulted"),
    [
        ("mov rax, [r12]", 0),
        ("mov [r12 + 4095], al", 0),
        ("mov rax, [0]", 1),
        ("mov rax, [r12 + 8192]", 1),
        ("mov rax, [r12 - 8]", 1),
        ("mov rcx, 0xffffffff80100000; mov rax, [rcx]", 1),
        ("mov rcx, 0xffff880000000000; mov rax, [rcx]", 1),
        ("mov rcx, 0x7ffffff000; mov rax, [rcx]", 0),
        ("mov rcx, 0x7ffffff000; mov [rcx], rax", 1),
        ("lea rcx, [rip + user_main]; mov [rcx], al", 1),
        ("mov byte ptr [r12], 0xc3; call r12", 1),
        ("mov [rsp - 0x80000], rax", 0),
        ("mov [rsp - 0xf0000], rax", 0),
        ("mov rax, [rsp - 0x200000]", 1),
        ("cli", 1),
        ("hlt", 1),
        ("mov rax, cr3", 1),
        ("in al, 0x80", 1),
        ("div r12; ud2", 1),
    ],
)
def test_a_program_may_touch_its_own_memory_only(words, instruction, faulted):
    program = "CALL SYS_MMAP, 8192\nmov r12, rax\n" + CATCH + faults(instruction)
    assert words(program)[0] == faulted


def test_unmapping_the_middle_leaves_both_ends(words):
    setup = """
    CALL SYS_MMAP, 4 * 4096, MMAP_POPULATE
    mov r12, rax
    lea rbx, [r12 + 4096]
    CALL SYS_MUNMAP, rbx, 2 * 4096
"""
    touched = [f"inc byte ptr [r12 + {page * 4096}]" for page in range(4)]
    assert words(setup + CATCH + faults(*touched))[:4] == (0, 1, 1, 0)


def test_protecting_the_middle_leaves_both_ends_writable(words):
    setup = """
    CALL SYS_MMAP, 3 * 4096, MMAP_POPULATE
    mov r12, rax
    lea rbx, [r12 + 4096]
    CALL SYS_MPROTECT, rbx, 4096, MMAP_READ_ONLY
"""
    touched = [f"inc byte ptr [r12 + {page * 4096}]" for page in range(3)]
    reads = ["mov al, [r12 + 4096]"]
    assert words(setup + CATCH + faults(*touched, *reads))[:4] == (0, 1, 0, 0)


def test_a_right_given_back_works_at_the_next_write(words):
    setup = """
    CALL SYS_MMAP, 4096, MMAP_READ_ONLY
    mov r12, rax
    mov al, [r12]
    CALL SYS_MPROTECT, r12, 4096, 0
"""
    assert words(setup + CATCH + faults("inc byte ptr [r12]"))[0] == 0


def test_a_gap_is_used_again(words):
    program = """
    CALL SYS_MMAP, 4096
    mov rbx, rax
    CALL SYS_MMAP, 4096
    mov rbp, rax
    CALL SYS_MUNMAP, rbx, 4096
    CALL SYS_MMAP, 4096
    sub rax, rbx
    KEEP 0, rax
    CALL SYS_MMAP, 8192
    sub rax, rbp
    KEEP 1, rax
    EXIT"""
    assert words(program)[:2] == (0, 4096)


def test_regions_are_limited_and_can_be_given_back(words):
    program = """
    xor ebx, ebx
more:
    CALL SYS_MMAP, 4096
    test rax, rax
    js full
    mov rbp, rax
    inc ebx
    jmp more
full:
    KEEP 0, rax
    KEEP 1, rbx
    CALL SYS_MUNMAP, rbp, 4096
    CALL SYS_MMAP, 4096
    sub rax, rbp
    KEEP 2, rax
    EXIT"""
    assert words(program)[:3] == (-ENOMEM, 16, 0)  # 19, less text, stack and parameters


def test_a_large_page_cannot_be_cut(words):
    program = """
    CALL SYS_MMAP, 1, MMAP_LARGE
    mov rbx, rax
    inc qword ptr [rbx + 0x1ffff8]
    CALL SYS_MUNMAP, rbx, 4096
    KEEP 0, rax
    test ebx, 0x1fffff
    setnz al
    movzx eax, al
    KEEP 1, rax
    CALL SYS_MUNMAP, rbx, 0x200000
    KEEP 2, rax
    EXIT"""
    assert words(program)[:3] == (-EINVAL, 0, 0)


@pytest.mark.parametrize(
    "flags", ["0", "MMAP_POPULATE", "MMAP_LARGE", "MMAP_LARGE | MMAP_POPULATE"]
)
def test_parent_and_child_do_not_see_each_other_s_stores(words, flags):
    program = f"""
    CALL SYS_MMAP, 8192, {flags}
    mov rbx, rax
    mov qword ptr [rbx], 5
    mov qword ptr [rbx + 4096], 6
    CALL SYS_FORK
    test rax, rax
    jz child
    mov qword ptr [rbx], 10
    lea rbp, [rip + status]
    CALL SYS_WAIT, rbp
    mov rbp, [rbp]
    KEEP 0, rbp
    mov rbp, [rbx]
    KEEP 1, rbp
    mov rbp, [rbx + 4096]
    KEEP 2, rbp
    EXIT
child:
    inc qword ptr [rbx]             # 6 if the parent's store does not show
    inc qword ptr [rbx + 4096]
    CALL SYS_YIELD
    mov rcx, [rbx]
    imul rcx, rcx, 100
    add rcx, [rbx + 4096]
    EXIT rcx"""
    assert words(program, "status: .quad 0")[:3] == (607, 10, 6)


def test_the_kernel_copies_shared_pages_for_a_process_too(words):
    program = """
    CALL SYS_PIPE, descriptors
    CALL SYS_FORK
    test rax, rax
    jz child
    CALL SYS_WRITEFD, 1, user_main, 8
    CALL SYS_WAIT, status
    mov rbx, [rip + buffer]
    KEEP 0, rbx
    mov rbx, [rip + status]
    KEEP 1, rbx
    EXIT
child:
    CALL SYS_READ, 0, buffer, 8
    mov rcx, [rip + buffer]
    cmp rcx, [rip + user_main]
    setne cl
    movzx ecx, cl
    EXIT rcx"""
    data = "buffer: .quad 77\nstatus: .quad 9\ndescriptors: .quad 0"
    assert words(program, data)[:2] == (77, 0)


def test_a_kernel_read_into_a_read_only_page_is_refused(words):
    program = """
    CALL SYS_PIPE, descriptors
    CALL SYS_WRITEFD, 1, user_main, 8
    CALL SYS_MMAP, 4096, MMAP_READ_ONLY
    mov rbx, rax
    CALL SYS_READ, 0, rbx, 8
    KEEP 0, rax
    EXIT"""
    assert words(program, "descriptors: .quad 0")[0] == -14


def test_running_out_of_memory_is_said_on_the_console(run):
    program = "again: CALL SYS_MMAP, 0x1000000, MMAP_POPULATE\njmp again"
    ran = run(program, ram_mib=8)
    assert (ran.end, ran.status) == (End.EXITED, 255)
    assert ran.console == "kernel panic: out of memory\n"
