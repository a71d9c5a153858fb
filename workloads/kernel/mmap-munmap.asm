#: title = "mmap and munmap"
#: stresses = "mapping memory, touching some of it, taking it away: page tables made and freed"
#: outcome = "result 0 is the number of rounds in which the mapping was where the first one was: all"
#: small = { pages = 64, touched = 8, stride = 1, rounds = 20 }
#: standard = { pages = 64, touched = 8, stride = 1, rounds = 200 }
#: large = { pages = 64, touched = 8, stride = 1, rounds = 2000 }
#: [variants]
#: "8m" = { pages = 2048, touched = 51, stride = 4, small = { rounds = 6 } }

@user
# lmbench's lat_mmap, with stores to pages at the start of the mapping. Variant 8m is lat_mmap's access to 8 MiB:
# each 16 KiB of the first tenth is touched once.
user_main:
    mov r12, [rdi + PARAM_PAGES * 8]
    mov r9, [rdi + PARAM_STRIDE * 8]
    shl r9, 12
    shl r12, 12
    mov r13, [rdi + PARAM_ROUNDS * 8]
    mov r14, [rdi + PARAM_TOUCHED * 8]
    imul r14, r9
    xor r15d, r15d
    xor ebp, ebp                    # the first mapping's address
    ROI_BEGIN
next_round:
    mov rdi, r12
    xor esi, esi
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax
    test rbp, rbp
    cmovz rbp, rax
    xor ecx, ecx
touch_next:
    mov [rbx + rcx], rcx
    add rcx, r9
    cmp rcx, r14
    jb touch_next
    xor eax, eax
    cmp rbx, rbp
    sete al
    add r15, rax
    mov rdi, rbx
    mov rsi, r12
    mov eax, SYS_MUNMAP
    syscall
    dec r13
    jnz next_round
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, r15
    syscall
    xor edi, edi
    mov eax, SYS_EXIT
    syscall
