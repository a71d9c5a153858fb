#: title = "Random updates of a table"
#: stresses = "independent random loads and stores, TLB misses that set dirty bits; @2m on large pages"
#: outcome = "result 0 is the sum of the old values of all updated words, each times 3 to the power of its age"
#: small = { footprint = 0x400000, updates = 20480, mmap_flags = 1 }
#: standard = { footprint = 0x1000000, updates = 204800, mmap_flags = 1 }
#: large = { footprint = 0x1000000, updates = 2048000, mmap_flags = 1 }
#: [variants]
#: "2m" = { mmap_flags = 5 }

@user
# The update loop of HPC Challenge's RandomAccess: table[r mod size] ^= r for a pseudo-random r. The
# footprint is a power of two. Nothing initializes the table but the kernel that clears its pages.
user_main:
    mov r12, PARAM_FOOTPRINT
    mov r12, [rdi + r12*8]
    mov r13, PARAM_UPDATES
    mov r13, [rdi + r13*8]
    mov esi, PARAM_MMAP_FLAGS
    mov rsi, [rdi + rsi*8]
    mov rdi, r12
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax
    lea rbp, [r12 - 8]              # byte offset of the last word = mask

    mov rax, 1
    mov r8, 6364136223846793005
    mov r9, 1442695040888963407
    xor esi, esi
    ROI_BEGIN
update_next:
    imul rax, r8
    add rax, r9
    mov rdx, rax
    shr rdx, 24                     # the low bits of the generator have short periods
    and rdx, rbp
    mov rcx, [rbx + rdx]
    lea rsi, [rsi + rsi*2]
    add rsi, rcx
    xor rcx, rax
    mov [rbx + rdx], rcx
    dec r13
    jnz update_next
    ROI_END

    mov eax, SYS_SET_RESULT
    xor edi, edi
    syscall
    mov eax, SYS_EXIT
    xor edi, edi
    syscall
