#: title = "Page fault on shared memory"
#: stresses = "copy-on-write: exception, a copy of the page, a page-table entry changed under a cached translation"
#: outcome = "result 0 is the sum of the children's sums, result 1 the sum of what the parent has left (both known)"
#: small = { pages = 32, rounds = 4 }
#: standard = { pages = 64, rounds = 20 }
#: large = { pages = 256, rounds = 50 }
#: [expect]
#: trap-and-emulate = "ok|diverged"  # the kernel nests PUSHF and POPF: whether that shows depends on timing

@user
# The parent writes its number to each page of a mapping and forks; the child reads and adds one to each, so it
# copies every page; the parent then must find its own values, and adds one to each itself: it is the only owner
# again, so it is only given the right to write.
user_main:
    mov r12, [rdi + PARAM_PAGES * 8]
    shl r12, 12
    mov r13, [rdi + PARAM_ROUNDS * 8]
    xor r14d, r14d                  # sum of the children's sums
    mov rdi, r12
    mov esi, MMAP_POPULATE
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax
    lea rbp, [rax + r12]
next_round:
    mov eax, SYS_FORK
    syscall
    test rax, rax
    jz child
    mov eax, SYS_WAIT
    lea rdi, [rip + status]
    syscall
    add r14, [rip + status]
    ROI_BEGIN
    call add_one_to_each
    ROI_END
    dec r13
    jnz next_round

    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, r14
    syscall
    call sum_up
    mov rsi, rax
    mov eax, SYS_SET_RESULT
    mov edi, 1
    syscall
    xor edi, edi
    mov eax, SYS_EXIT
    syscall

child:
    ROI_BEGIN
    call add_one_to_each
    ROI_END
    call sum_up
    mov rdi, rax
    mov eax, SYS_EXIT
    syscall

add_one_to_each:
    mov rcx, rbx
add_next:
    inc qword ptr [rcx]
    add rcx, 4096
    cmp rcx, rbp
    jb add_next
    ret

sum_up:
    mov rcx, rbx
    xor eax, eax
sum_next:
    add rax, [rcx]
    add rcx, 4096
    cmp rcx, rbp
    jb sum_next
    ret

@user_data
.align 8
status: .quad 0
