#: title = "Fork, exit and wait"
#: stresses = "making and tearing down address spaces, copy-on-write, scheduling"
#: outcome = "result 0 is the sum of the children's statuses, result 1 the sum of their process numbers"
#: small = { iterations = 12 }
#: standard = { iterations = 120 }
#: large = { iterations = 1200 }
#: [expect]
#: trap-and-emulate = "ok|diverged"  # the kernel nests PUSHF and POPF: whether that shows depends on timing

@user
# lmbench's lat_proc fork, and the forkwait of Adams and Agesen (ASPLOS 2006). Each child stores once, so it copies
# a page, and exits with a status of its own.
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    xor ebx, ebx                    # sum of the statuses
    xor r12d, r12d                  # sum of the process numbers
    ROI_BEGIN
again:
    mov eax, SYS_FORK
    syscall
    test rax, rax
    jz child
    js failed
    add r12, rax
    mov eax, SYS_WAIT
    lea rdi, [rip + status]
    syscall
    add rbx, [rip + status]
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, rbx
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, r12
    syscall
    xor edi, edi
    mov eax, SYS_EXIT
    syscall
child:
    mov [rip + status], rbp
    mov rdi, rbp
    mov eax, SYS_EXIT
    syscall
failed:
    mov rdi, rax
    mov eax, SYS_EXIT
    syscall

@user_data
.align 8
status: .quad 0
