#: title = "Fork and wait on Linux"
#: stresses = "creation and end of processes: page-table copies, copy-on-write, context switches"
#: outcome = "result 0 is the number of children whose exit status was right"
#: small = { forks = 40, writable = 0, read_only = 0, written = 0, read = 0 }
#: standard = { forks = 400, writable = 0, read_only = 0, written = 0, read = 0 }
#: large = { forks = 40000, writable = 0, read_only = 0, written = 0, read = 0 }
#: slots = ["children"]
#: [variants]
#: "process" = { writable = 24, read_only = 72, written = 12, read = 24 }

@user
# forkwait of Adams and Agesen (2006): 40,000 times fork, exit, wait. Variant process has the address space of a
# small dynamically linked C program, as kernel/fork-wait has. Its read-only pages are private copies, for Linux since
# 2.6.14 does not copy the entries of a file's.
#
#     r13 = writable pages   r14 = read-only pages   r12 = parameters   r15 = 4096
user_main:
    mov r12, rdi
    mov rbp, [rdi + PARAM_FORKS * 8]
    mov r15d, 4096
    mov rbx, [rdi + PARAM_WRITABLE * 8]
    call map_written_pages
    mov r13, rax
    mov rbx, [r12 + PARAM_READ_ONLY * 8]
    call map_written_pages
    mov r14, rax
    imul rbx, r15
    test rbx, rbx
    jz mapped
    mov rdi, r14
    mov rsi, rbx
    mov edx, PROT_READ
    mov eax, SYS_MPROTECT
    syscall
    test rax, rax
    js failed
mapped:
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
    mov r8, [r12 + PARAM_WRITTEN * 8]
    mov r9, [r12 + PARAM_READ * 8]
    test r8, r8
    jz read_pages
write_page:
    mov [r13], rbp
    add r13, r15
    dec r8
    jnz write_page
read_pages:
    test r9, r9
    jz leave
read_page:
    mov rdx, [r14]
    add r14, r15
    dec r9
    jnz read_page
leave:
    mov edi, 7
    mov eax, SYS_EXIT
    syscall

# RBX = pages -> RAX = where they are
map_written_pages:
    mov rax, rbx
    imul rax, r15
    test rax, rax
    jz nothing_mapped
    MAP_MEMORY rax
    xor ecx, ecx
write_first:
    cmp rcx, rbx
    jae nothing_mapped
    mov rdx, rcx
    shl rdx, 12
    mov [rax + rdx], rbx
    inc rcx
    jmp write_first
nothing_mapped:
    ret

@user_data
.align 8
status: .quad 0
