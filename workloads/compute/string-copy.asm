#: title = "String copy"
#: stresses = "REP MOVSQ and REP MOVSB: one instruction, many iterations"
#: outcome = "result 0 is a position-dependent checksum of the twice copied buffer"
#: small = { bytes = 8192, repeats = 20, tick_period = 2000000 }
#: standard = { bytes = 16384, repeats = 100, tick_period = 2000000 }
#: large = { bytes = 65536, repeats = 250, tick_period = 2000000 }

@user
# Copies a -> b by quadwords and b -> c by bytes, repeatedly. An interrupt may arrive between two
# iterations of a REP instruction, which then resumes where it stopped.
user_main:
    mov r12, PARAM_BYTES
    mov r12, [rdi + r12*8]
    mov r13, PARAM_REPEATS
    mov r13, [rdi + r13*8]
    lea rdi, [r12 + r12*2]
    mov eax, SYS_MMAP
    mov esi, MMAP_POPULATE
    syscall
    mov rbx, rax                    # a
    lea rbp, [rbx + r12]            # b
    lea r14, [rbp + r12]            # c

    mov rax, 1                      # a = the multiples of a linear congruential generator
    mov r8, 6364136223846793005
    mov r9, 1442695040888963407
    mov rdi, rbx
fill_next:
    imul rax, r8
    add rax, r9
    mov [rdi], rax
    add rdi, 8
    cmp rdi, rbp
    jb fill_next

    ROI_BEGIN
copy_again:
    mov rsi, rbx
    mov rdi, rbp
    mov rcx, r12
    shr rcx, 3
    rep movsq
    mov rsi, rbp
    mov rdi, r14
    mov rcx, r12
    rep movsb
    dec r13
    jnz copy_again
    ROI_END

    lea r15, [r14 + r12]
    xor esi, esi                    # checksum = checksum * 31 + word
checksum_next:
    imul rsi, rsi, 31
    add rsi, [r14]
    add r14, 8
    cmp r14, r15
    jb checksum_next
    mov eax, SYS_SET_RESULT
    xor edi, edi
    syscall
    mov eax, SYS_EXIT
    xor edi, edi
    syscall
