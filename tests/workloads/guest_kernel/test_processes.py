"""Processes: fork and wait, turns, time, pipes, and what happens when the kernel cannot go on."""

from __future__ import annotations

import pytest

from hardware_model.machine import End

EAGAIN = 11


def test_a_child_has_its_own_number_and_its_parent_s_memory(words):
    program = """
    mov qword ptr [rip + value], 7
    CALL SYS_FORK
    test rax, rax
    jz child
    KEEP 0, rax
    CALL SYS_WAIT, status
    KEEP 1, rax
    mov rbx, [rip + status]
    KEEP 2, rbx
    EXIT
child:
    CALL SYS_GETPID
    imul rax, rax, 10
    add rax, [rip + value]
    EXIT rax"""
    assert words(program, "value: .quad 0\nstatus: .quad 0")[:3] == (2, 2, 27)


def test_there_are_at_most_31_processes(words):
    program = """
    xor ebx, ebx
more:
    CALL SYS_FORK
    test rax, rax
    jz child
    js full
    inc ebx
    jmp more
full:
    KEEP 0, rax
    KEEP 1, rbx
collect:
    CALL SYS_WAIT
    dec ebx
    jnz collect
    CALL SYS_FORK
    test rax, rax
    jz child
    KEEP 2, rax
    EXIT
child:
    EXIT"""
    assert words(program)[:3] == (-EAGAIN, 30, 32)


def test_orphans_become_process_1_s(words):
    program = """
    CALL SYS_FORK
    test rax, rax
    jz child
    CALL SYS_WAIT, status
    mov rbx, [rip + status]
    KEEP 0, rbx
    CALL SYS_WAIT, status
    KEEP 1, rax
    mov rbx, [rip + status]
    KEEP 2, rbx
    EXIT
child:
    CALL SYS_FORK
    test rax, rax
    jz grandchild
    EXIT 5
grandchild:
    CALL SYS_SLEEP, 2
    EXIT 6"""
    assert words(program, "status: .quad 0")[:3] == (5, 3, 6)


def test_a_process_that_never_yields_is_interrupted(words):
    program = """
    CALL SYS_FORK
    test rax, rax
    jz child
    CALL SYS_YIELD
    KEEP 0, 1
    EXIT
child: jmp child"""
    assert words(program)[0] == 1


def test_switches_keep_all_registers_sse_included(words):
    saved = "\n".join(f"movq xmm{n}, rbx\nadd rbx, 1" for n in range(16))
    checked = "\n".join(f"movq rax, xmm{n}\ncmp rax, rbx\njne wrong\nadd rbx, 1" for n in range(16))
    program = f"""
    xor r12d, r12d
    CALL SYS_FORK
    test rax, rax
    setz r12b
    mov r13d, 40000
    mov rbx, r12
    shl rbx, 32
    {saved}
spin:
    mov r8, r12
    mov r9, r13
    mov r10, r12
    mov r11, r13
    cmp r8, r10
    jne wrong
    cmp r9, r11
    jne wrong
    dec r13
    jnz spin
    mov rbx, r12
    shl rbx, 32
    {checked}
    test r12, r12
    jnz done
    CALL SYS_WAIT, status
    mov rbx, [rip + status]
    KEEP 0, rbx
done:
    EXIT
wrong:
    EXIT 1"""
    assert words(program, "status: .quad 9")[0] == 0


def test_sleepers_wake_in_the_order_of_their_time(run):
    children = (
        "".join(f"CALL SYS_FORK\ntest rax, rax\njz child_{ticks}\n" for ticks in (3, 1, 2))
        + "CALL SYS_WAIT\n" * 3
    )
    bodies = "".join(
        f"child_{ticks}: CALL SYS_SLEEP, {ticks}\nSAY letters + {ticks - 1}, 1\nEXIT\n"
        for ticks in (1, 2, 3)
    )
    ran = run(children + "EXIT\n" + bodies, 'letters: .ascii "abc"')
    assert (ran.status, ran.console) == (0, "abc")


def test_a_sleeping_machine_halts_instead_of_spinning(run):
    ran = run("CALL SYS_SLEEP, 20\nEXIT")
    assert ran.guest.machine.now >= 19 * 50_000
    assert ran.guest.machine.instructions < 30_000


@pytest.mark.parametrize("period", [10_000, 100_000])
def test_the_tick_period_is_a_parameter(run, period):
    ran = run("mov ecx, 500000\nspin: dec ecx\njnz spin\nEXIT", tick_period=period)
    assert ran.variable("ticks") == pytest.approx(1_000_000 // period, abs=2)


def test_a_tick_period_of_zero_means_no_ticks(run):
    ran = run("mov ecx, 500000\nspin: dec ecx\njnz spin\nEXIT", tick_period=0)
    assert (ran.status, ran.variable("ticks")) == (0, 0)


def test_a_pipe_holds_2048_bytes_and_blocks_then(words):
    program = """
    CALL SYS_PIPE, descriptors
    CALL SYS_MMAP, 8192, MMAP_POPULATE
    mov rbx, rax
    CALL SYS_FORK
    test rax, rax
    jz child
    CALL SYS_WRITEFD, 1, rbx, 5000
    KEEP 0, rax
    CALL SYS_WAIT, status
    mov rbx, [rip + status]
    KEEP 1, rbx
    EXIT
child:
    xor ebp, ebp
more:
    CALL SYS_READ, 0, rbx, 1500
    add rbp, rax
    cmp rbp, 5000
    jb more
    EXIT rbp"""
    assert words(program, "descriptors: .quad 0\nstatus: .quad 0")[:2] == (5000, 5000)


def test_descriptors_run_out(words):
    program = """
    xor ebx, ebx
more:
    CALL SYS_PIPE, descriptors
    test rax, rax
    js full
    inc ebx
    jmp more
full:
    KEEP 0, rax
    KEEP 1, rbx
    EXIT"""
    assert words(program, "descriptors: .quad 0")[:2] == (-23, 16)


def test_processes_that_wait_for_each_other_end_the_run(run):
    ran = run(
        "CALL SYS_PIPE, descriptors\nCALL SYS_READ, 0, descriptors, 1", "descriptors: .quad 0"
    )
    assert (ran.end, ran.status) == (End.EXITED, 255)
    assert ran.console == "kernel panic: all processes wait for each other\n"


def test_an_exception_of_the_kernel_ends_the_run(run):
    ran = run(kernel="mov rax, [0x1230]\nret")
    assert (ran.end, ran.status) == (End.EXITED, 255)
    assert ran.console.startswith("kernel panic: exception")
    vector, error, rip, cr2 = (int(n, 16) for n in ran.console.split(": ")[2].split())
    assert (vector, error, cr2) == (14, 0, 0x1230)
    assert rip == ran.symbols["workload_main"]


def test_a_stack_overflow_of_the_kernel_is_a_double_fault(run):
    ran = run(kernel="mov rsp, 0x1230\npush rax\nret")
    assert (ran.end, ran.status) == (End.EXITED, 255)
    assert int(ran.console.split(": ")[2].split()[0], 16) == 8


def test_a_kernel_part_that_fails_ends_the_run_with_its_status(run):
    ran = run("EXIT 4", kernel="mov eax, 3\nret")
    assert (ran.end, ran.status) == (End.EXITED, 3)


def test_the_kernel_part_runs_before_the_user_part(words):
    kernel = "mov rax, [rdi + PARAM_N * 8]\nmov [rip + result], rax\nxor eax, eax\nret"
    assert words("KEEP 1, 5\nEXIT", kernel=kernel, n=77)[:2] == (77, 5)
