#: title = "Signal to oneself"
#: stresses = "system calls, delivery of a signal on the user's stack, return by IRET"
#: outcome = "result 0 is the number of signals handled"
#: small = { iterations = 400 }
#: standard = { iterations = 4000 }
#: large = { iterations = 40000 }

@user
# lmbench's lat_sig catch.
user_main:
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov edi, SIGNAL_USER
    lea rsi, [rip + handler]
    mov eax, SYS_SET_HANDLER
    syscall
    mov eax, SYS_GETPID
    syscall
    mov rbx, rax
    mov rbp, r12
    ROI_BEGIN
again:
    mov rdi, rbx
    mov esi, SIGNAL_USER
    mov eax, SYS_KILL
    syscall
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, [rip + signals]
    syscall
    mov rdi, [rip + signals]
    sub rdi, r12
    mov eax, SYS_EXIT
    syscall

handler:
    inc qword ptr [rip + signals]
    mov eax, SYS_SIGRETURN
    syscall

@user_data
.align 8
signals: .quad 0
