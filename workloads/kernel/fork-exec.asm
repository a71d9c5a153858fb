#: title = "Fork, exec, exit and wait"
#: stresses = "starting programs: an address space made, replaced and taken down, and a program's page faults"
#: outcome = "result 0 is the sum of the programs' statuses: the pages that each found zero, and touched"
#: small = { iterations = 6, writable = 24, read_only = 72, faults = 67 }
#: standard = { iterations = 60, writable = 24, read_only = 72, faults = 67 }
#: large = { iterations = 600, writable = 24, read_only = 72, faults = 67 }
#: [expect]
#: trap-and-emulate = "ok|diverged"  # the kernel nests PUSHF and POPF: whether that shows depends on timing

@user
# lmbench's lat_proc exec. The parent has the address space of kernel/fork-wait@process; the program takes as many
# page faults as "hello, world" does that is linked dynamically against glibc (67, as getrusage tells), here on
# fresh memory of its own.
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    mov r12, [rdi + PARAM_READ_ONLY * 8]
    mov r13, [rdi + PARAM_FAULTS * 8]
    mov rdi, [rdi + PARAM_WRITABLE * 8]
    mov esi, MMAP_POPULATE
    call map_pages
    mov rdi, r12
    mov esi, MMAP_POPULATE | MMAP_READ_ONLY
    call map_pages
    xor ebx, ebx                    # sum of the statuses
    ROI_BEGIN
again:
    mov eax, SYS_FORK
    syscall
    test rax, rax
    jz child
    js failed
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
    xor edi, edi
    mov eax, SYS_EXIT
    syscall
child:
    lea rdi, [rip + program]
    mov rsi, r13
    mov eax, SYS_EXEC
    syscall
failed:
    mov rdi, rax
    mov eax, SYS_EXIT
    syscall

program:                            # RSI = pages to touch; its status is the number that were zero
    mov rbp, rsi
    mov rdi, rsi
    xor esi, esi
    call map_pages
    xor edi, edi
touch:
    cmp qword ptr [rax], 1          # carry if it is 0
    adc edi, 0
    mov [rax], rax
    add rax, 4096
    dec rbp
    jnz touch
    mov eax, SYS_EXIT
    syscall

# RDI = pages, RSI = flags -> RAX = where they are
map_pages:
    shl rdi, 12
    mov eax, SYS_MMAP
    syscall
    test rax, rax
    js failed
    ret

@user_data
.align 8
status: .quad 0
