"""Signals: handlers between two instructions, bad stacks, rights that are not given."""

from __future__ import annotations


def test_a_signal_without_a_handler_ends_its_process(run):
    program = """
    CALL SYS_FORK
    test rax, rax
    jz child
    CALL SYS_WAIT, status
    mov rbx, [rip + status]
    KEEP 0, rbx
    EXIT
child:
    mov rax, [0x1230]"""
    ran = run(program, "status: .quad 0")
    assert ran.words[0] == 128 + 11
    process, signal, _, address = (int(n, 16) for n in ran.console.split(": ")[1].split())
    assert (process, signal, address) == (2, 11, 0x1230)


def test_a_handler_runs_between_two_instructions_and_changes_nothing(words):
    program = """
    lea rbx, [rip + handler]
    CALL SYS_SET_HANDLER, SIGNAL_USER, rbx
    mov r12d, 5
    mov qword ptr [rsp - 64], 123   # the red zone
    std
    CALL SYS_KILL, 1, SIGNAL_USER
    pushfq
    pop rbx
    cld
    and ebx, 0x400                  # DF is as it was
    KEEP 0, rbx
    KEEP 1, r12
    mov rbx, [rip + seen]
    KEEP 2, rbx
    EXIT
handler:
    pushfq
    pop rax
    and eax, 0x400
    add rax, rdi
    mov [rip + seen], rax
    mov r12d, 99
    mov eax, SYS_SIGRETURN
    syscall"""
    assert words(program, "seen: .quad 0")[:3] == (0x400, 5, 10)


def test_a_handler_cannot_return_with_the_kernel_s_rights(run):
    program = """
    lea rbx, [rip + handler]
    CALL SYS_SET_HANDLER, SIGNAL_USER, rbx
    CALL SYS_KILL, 1, SIGNAL_USER
    mov ebx, cs
    KEEP 0, rbx
    pushfq
    pop rbx
    and ebx, 0x3200
    KEEP 1, rbx
    EXIT
handler:
    mov qword ptr [rsi + 144], 0x08 # CS
    mov qword ptr [rsi + 168], 0x10 # SS
    mov qword ptr [rsi + 152], 0x3002   # RFLAGS: IOPL 3, IF clear
    mov eax, SYS_SIGRETURN
    syscall"""
    assert run(program).words[:2] == (0x2B, 0x200)


def test_a_handler_on_a_bad_stack_ends_the_process(run):
    program = """
    lea rbx, [rip + handler]
    CALL SYS_SET_HANDLER, SIGNAL_USER, rbx
    mov rsp, 64
    CALL SYS_KILL, 1, SIGNAL_USER
handler: EXIT"""
    assert run(program).status == 128 + 11


def test_exec_forgets_handlers_and_keeps_number_and_pipes(words):
    program = """
    lea rbx, [rip + again]
    CALL SYS_SET_HANDLER, SIGNAL_FAULT, rbx
    CALL SYS_PIPE, descriptors
    CALL SYS_WRITEFD, 1, user_main, 1
    CALL SYS_EXEC, again, 42
again:
    KEEP 0, rsi
    CALL SYS_GETPID
    KEEP 1, rax
    CALL SYS_READ, 0, descriptors, 8
    KEEP 2, rax
    mov rbx, rsp
    KEEP 3, rbx
    EXIT"""
    result = words(program, "descriptors: .quad 0")
    assert result[:3] == (42, 1, 1)
    assert result[3] == 0x7FFFFFF000
