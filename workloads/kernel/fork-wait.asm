#: title = "Fork, exit and wait"
#: stresses = "making and tearing down address spaces, copy-on-write, scheduling"
#: outcome = "result 0 is the sum of the children's statuses, result 1 the sum of their process numbers"
#: small = { iterations = 12, writable = 0, read_only = 0, written = 0, read = 0 }
#: standard = { iterations = 120, writable = 0, read_only = 0, written = 0, read = 0 }
#: large = { iterations = 1200, writable = 0, read_only = 0, written = 0, read = 0 }
#: [variants]
#: "process" = { writable = 24, read_only = 72, written = 12, read = 24 }
#: [expect]
#: trap-and-emulate = "ok|diverged"  # the kernel nests PUSHF and POPF: whether that shows depends on timing

@user
# lmbench's lat_proc fork, and the forkwait of Adams and Agesen (ASPLOS 2006). Each child stores once, so it copies
# a page, and exits with a status of its own.
#
# Variant process has the address space of a small dynamically linked C program: as many private pages that were
# written to (24), as many of code and constants (72), of which the child writes to 12 and reads 24. The
# first, and the child's faults in all, are those of such a program under Linux with glibc, as getrusage and
# /proc/self/status tell them; Linux before 2.6.14 copied the entries of all of its pages.
#
#     rbp = iterations left   r8 = pages to write   r9 = pages to read
#     r13 = writable pages   r14 = read-only pages   r15 = 4096
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    mov r8, [rdi + PARAM_WRITTEN * 8]
    mov r9, [rdi + PARAM_READ * 8]
    mov rbx, [rdi + PARAM_READ_ONLY * 8]
    mov r15d, 4096
    mov rdi, [rdi + PARAM_WRITABLE * 8]
    mov esi, MMAP_POPULATE
    call map_pages
    mov r13, rax
    mov rdi, rbx
    mov esi, MMAP_POPULATE | MMAP_READ_ONLY
    call map_pages
    mov r14, rax
    xor ebx, ebx                    # sum of the statuses
    xor r12d, r12d                  # sum of the process numbers
    ROI_BEGIN
again:
    mov eax, SYS_FORK
    syscall
    test rax, rax
    jz child
    js failed
    add r12, rax
    mov eax, SYS_WAIT
    lea rdi, [rip + status]
    syscall
    add rbx, [rip + status]
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, rbx
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, r12
    syscall
    xor edi, edi
    mov eax, SYS_EXIT
    syscall
child:
    mov [rip + status], rbp
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
    mov rdi, rbp
    mov eax, SYS_EXIT
    syscall
failed:
    mov rdi, rax
    mov eax, SYS_EXIT
    syscall

# RDI = pages, RSI = flags -> RAX = where they are
map_pages:
    imul rdi, r15
    test rdi, rdi
    jz nothing_mapped
    mov eax, SYS_MMAP
    syscall
    test rax, rax
    js failed
nothing_mapped:
    ret

@user_data
.align 8
status: .quad 0
