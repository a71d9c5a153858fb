#: title = "Signal to oneself on Linux"
#: stresses = "system calls, delivery of a signal on the user's stack, return from the handler"
#: outcome = "result 0 is the number of signals handled"
#: small = { iterations = 400 }
#: standard = { iterations = 4000 }
#: large = { iterations = 40000 }
#: slots = ["signals"]

@user
# lmbench's lat_sig catch.
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    mov edi, SIGUSR1
    lea rsi, [rip + action]
    xor edx, edx
    mov r10d, 8
    mov eax, SYS_RT_SIGACTION
    syscall
    test rax, rax
    js failed
    mov eax, SYS_GETPID
    syscall
    mov rbx, rax
    ROI_BEGIN
again:
    mov rdi, rbx
    mov esi, SIGUSR1
    mov eax, SYS_KILL
    syscall
    dec rbp
    jnz again
    ROI_END
    mov rax, [rip + signals]
    SET_RESULT 0, rax
    xor edi, edi
    jmp finish

handler:
    inc qword ptr [rip + signals]
    ret
restore:
    mov eax, SYS_RT_SIGRETURN
    syscall

@user_data
.align 8
action: .quad handler, SA_RESTORER, restore, 0
signals: .quad 0
