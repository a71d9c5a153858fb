#: title = "Fork and wait on Linux"
#: stresses = "creation and end of processes: page-table copies, copy-on-write, context switches"
#: outcome = "result 0 is the number of children whose exit status was right"
#: small = { forks = 40 }
#: standard = { forks = 2000 }
#: large = { forks = 40000 }
#: slots = ["children"]

@user
# forkwait of Adams and Agesen (2006): 40,000 times fork, exit, wait.
user_main:
    mov rbp, [rdi + PARAM_FORKS * 8]
    xor ebx, ebx
    ROI_BEGIN
again:
    mov eax, SYS_FORK
    syscall
    test rax, rax
    js failed
    jz child
    mov rdi, rax
    lea rsi, [rip + status]
    xor edx, edx
    xor r10d, r10d
    mov eax, SYS_WAIT4
    syscall
    cmp dword ptr [rip + status], 7 << 8
    sete al
    movzx eax, al
    add rbx, rax
    dec rbp
    jnz again
    ROI_END
    SET_RESULT 0, rbx
    xor edi, edi
    jmp finish
child:
    mov edi, 7
    mov eax, SYS_EXIT
    syscall

@user_data
.align 8
status: .quad 0
