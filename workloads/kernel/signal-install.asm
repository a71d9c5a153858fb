#: title = "Signal handler installed"
#: stresses = "a system call that does next to nothing"
#: outcome = "result 0 is the number of handlers installed"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

@user
# lmbench's lat_sig install.
user_main:
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov rbp, r12
    xor ebx, ebx
    ROI_BEGIN
again:
    mov edi, SIGNAL_USER
    lea rsi, [rip + handler]
    mov eax, SYS_SET_HANDLER
    syscall
    cmp rax, 1                      # carry if it is 0
    adc ebx, 0
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov esi, ebx
    syscall
    mov rdi, r12
    sub rdi, rbx
    mov eax, SYS_EXIT
    syscall
handler:
    mov eax, SYS_SIGRETURN
    syscall
