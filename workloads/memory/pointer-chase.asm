#: title = "Random pointer chase"
#: stresses = "TLB and page walks: every step depends on the load before it; @<footprint>, @<footprint>-2m on large pages, @256k-lines one node per cache line"
#: outcome = "result 0 is the number of the node where the walk ends, result 1 the number of nodes"
#: small = { footprint = 0x100000, spacing = 4096, rounds = 13101, mmap_flags = 1 }
#: standard = { footprint = 0x100000, spacing = 4096, rounds = 131001, mmap_flags = 1 }
#: large = { footprint = 0x100000, spacing = 4096, rounds = 1310001, mmap_flags = 1 }
#: [variants]
#: "64k" = { footprint = 0x10000 }
#: "256k" = { footprint = 0x40000 }
#: "2m" = { footprint = 0x200000 }
#: "4m" = { footprint = 0x400000 }
#: "16m" = { footprint = 0x1000000 }
#: "256k-lines" = { footprint = 0x40000, spacing = 64 }
#: "4m-2m" = { footprint = 0x400000, mmap_flags = 5 }
#: "16m-2m" = { footprint = 0x1000000, mmap_flags = 5 }

@user
# The nodes lie `spacing` bytes apart (4096: each on a page of its own) and form one random cycle
# through all of them, made by Sattolo's algorithm with a linear congruential generator before
# measuring. A round is ten steps.
user_main:
    mov r12, PARAM_FOOTPRINT
    mov r12, [rdi + r12*8]
    mov r13, PARAM_ROUNDS
    mov r13, [rdi + r13*8]
    mov r14, PARAM_SPACING
    mov rcx, [rdi + r14*8]
    mov esi, PARAM_MMAP_FLAGS
    mov rsi, [rdi + rsi*8]
    bsf r14, rcx                    # log2(spacing)
    mov rdi, r12
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax
    mov rcx, r14
    mov rbp, r12
    shr rbp, cl                     # number of nodes

    xor edi, edi                    # node i points to itself
point_to_itself:
    mov rax, rdi
    shl rax, cl
    add rax, rbx
    mov [rax], rax
    inc rdi
    cmp rdi, rbp
    jb point_to_itself

    mov rax, 1                      # Sattolo: swap node i with a random j < i, for i = n-1 ... 1
    mov r8, 6364136223846793005
    mov r9, 1442695040888963407
    lea rdi, [rbp - 1]
swap_next:
    imul rax, r8
    add rax, r9
    mov rdx, rax
    shr rdx, 32
    imul rdx, rdi
    shr rdx, 32                     # j
    shl rdx, cl
    mov rsi, rdi
    shl rsi, cl
    mov r10, [rbx + rdx]
    mov r11, [rbx + rsi]
    mov [rbx + rdx], r11
    mov [rbx + rsi], r10
    dec rdi
    jnz swap_next

    mov rax, rbx
    ROI_BEGIN
chase:
    .rept 10
    mov rax, [rax]
    .endr
    dec r13
    jnz chase
    ROI_END

    sub rax, rbx
    shr rax, cl
    mov rsi, rax
    mov eax, SYS_SET_RESULT
    xor edi, edi
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, rbp
    syscall
    mov eax, SYS_EXIT
    xor edi, edi
    syscall
