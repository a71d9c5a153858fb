#: title = "Protection fault handled by the program"
#: stresses = "a store to a read-only page: exception, signal, handler, return"
#: outcome = "result 0 is the number of faults handled, result 1 the number with a wrong address (0)"
#: small = { iterations = 400 }
#: standard = { iterations = 4000 }
#: large = { iterations = 40000 }

@user
# lmbench's lat_sig prot. The handler skips the store.
.set STORE_BYTES, 3

user_main:
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov edi, SIGNAL_FAULT
    lea rsi, [rip + handler]
    mov eax, SYS_SET_HANDLER
    syscall
    mov edi, 4096
    mov esi, MMAP_READ_ONLY
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax
    mov rax, [rbx]                  # there, but not to be written to
    mov rbp, r12
    ROI_BEGIN
again:
    .byte 0x48, 0x89, 0x03          # mov [rbx], rax
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, [rip + faults]
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, [rip + wrong_addresses]
    syscall
    mov rdi, [rip + faults]
    sub rdi, r12
    or rdi, [rip + wrong_addresses]
    mov eax, SYS_EXIT
    syscall

handler:
    inc qword ptr [rip + faults]
    cmp rdx, rbx
    je right_address
    inc qword ptr [rip + wrong_addresses]
right_address:
    add qword ptr [rsi + SIGNAL_FRAME_RIP], STORE_BYTES
    mov eax, SYS_SIGRETURN
    syscall

@user_data
.align 8
faults: .quad 0
wrong_addresses: .quad 0
