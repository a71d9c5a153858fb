#: title = "Page-table churn"
#: stresses = "page-table writes, page faults and invalidations: mmap, touch, mprotect, munmap in a loop"
#: outcome = "result 0 is the sum of the values read back, result 1 the number of fresh pages that were not zero (0)"
#: small = { pages = 16, rounds = 16 }
#: standard = { pages = 64, rounds = 40 }
#: large = { pages = 256, rounds = 100 }

@user
user_main:
    mov r12, PARAM_PAGES
    mov r12, [rdi + r12*8]
    shl r12, 12                     # bytes of the mapping
    mov r13, PARAM_ROUNDS
    mov r13, [rdi + r13*8]
    xor r14d, r14d                  # sum of the values read back
    xor r15d, r15d                  # fresh pages that were not zero

    ROI_BEGIN
next_round:
    mov eax, SYS_MMAP
    mov rdi, r12
    xor esi, esi                    # on demand
    syscall
    mov rbx, rax
    lea rbp, [rbx + r12]

    mov rcx, rbx
touch_page:                         # one page fault each
    cmp qword ptr [rcx], 1
    sbb rax, rax                    # -1 if zero
    inc rax
    add r15, rax
    mov rax, rbp
    sub rax, rcx
    add rax, r13
    mov [rcx], rax
    add rcx, 4096
    cmp rcx, rbp
    jb touch_page

    mov eax, SYS_MPROTECT
    mov rdi, rbx
    mov rsi, r12
    mov edx, MMAP_READ_ONLY
    syscall
    mov rcx, rbx
read_page:
    add r14, [rcx]
    add rcx, 4096
    cmp rcx, rbp
    jb read_page

    mov eax, SYS_MPROTECT           # writable again
    mov rdi, rbx
    mov rsi, r12
    xor edx, edx
    syscall
    mov rcx, rbx
write_page:
    inc qword ptr [rcx]
    add r14, [rcx]
    add rcx, 4096
    cmp rcx, rbp
    jb write_page

    mov eax, SYS_MUNMAP
    mov rdi, rbx
    mov rsi, r12
    syscall
    dec r13
    jnz next_round
    ROI_END

    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, r14
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, r15
    syscall
    mov rdi, r15
    mov eax, SYS_EXIT
    syscall
