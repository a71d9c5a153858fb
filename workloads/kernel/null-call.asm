#: title = "Null system call"
#: stresses = "entry to the kernel and return to user mode: SYSCALL, SWAPGS, SYSRET, STI and CLI"
#: outcome = "result 0 is the sum of the process numbers returned (1 each)"
#: small = { iterations = 4000 }
#: standard = { iterations = 40000 }
#: large = { iterations = 400000 }

@user
# lmbench's lat_syscall null.
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    mov r12, rbp
    xor ebx, ebx
    ROI_BEGIN
again:
    mov eax, SYS_GETPID
    syscall
    add rbx, rax
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, rbx
    syscall
    mov rdi, rbx
    sub rdi, r12
    mov eax, SYS_EXIT
    syscall
