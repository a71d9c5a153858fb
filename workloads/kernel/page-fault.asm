#: title = "Page fault on fresh memory"
#: stresses = "demand paging: exception, allocation, a new page-table entry"
#: outcome = "result 0 is the number of pages touched, result 1 the number that were not zero (0)"
#: small = { pages = 64, rounds = 3 }
#: standard = { pages = 64, rounds = 30 }
#: large = { pages = 256, rounds = 75 }

@user
# lmbench's lat_pagefault on anonymous memory: a store to each page of a fresh mapping.
user_main:
    mov r12, [rdi + PARAM_PAGES * 8]
    shl r12, 12
    mov r13, [rdi + PARAM_ROUNDS * 8]
    xor r14d, r14d                  # pages touched
    xor r15d, r15d                  # pages that were not zero
next_round:
    mov rdi, r12
    xor esi, esi
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax
    lea rbp, [rax + r12]
    ROI_BEGIN
touch_next:
    inc qword ptr [rbx]
    add rbx, 4096
    cmp rbx, rbp
    jb touch_next
    ROI_END
    sub rbx, r12
    mov rdi, rbx
check_next:
    xor eax, eax
    cmp qword ptr [rbx], 1
    setne al
    add r15, rax
    inc r14
    add rbx, 4096
    cmp rbx, rbp
    jb check_next
    mov rsi, r12
    mov eax, SYS_MUNMAP
    syscall
    dec r13
    jnz next_round

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
