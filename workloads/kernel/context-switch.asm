#: title = "Context switch"
#: stresses = "switching address spaces: 2 processes without memory of their own, @<processes>p<footprint>k"
#: outcome = "result 0 is the number of times a process got the token, result 1 the number of words read, one round before measuring included"
#: small = { processes = 2, footprint = 0, switches = 240 }
#: standard = { processes = 2, footprint = 0, switches = 2400 }
#: large = { processes = 2, footprint = 0, switches = 24000 }
#: [variants]
#: "1p0k" = { processes = 1 }
#: "1p16k" = { processes = 1, footprint = 0x4000 }
#: "1p64k" = { processes = 1, footprint = 0x10000, small = { switches = 60 } }
#: "2p16k" = { footprint = 0x4000 }
#: "2p64k" = { footprint = 0x10000, small = { switches = 60 } }
#: "8p0k" = { processes = 8 }
#: "8p16k" = { processes = 8, footprint = 0x4000, small = { switches = 160 } }
#: "8p64k" = { processes = 8, footprint = 0x10000, small = { switches = 32 } }
#: "16p0k" = { processes = 16 }
#: "16p16k" = { processes = 16, footprint = 0x4000, small = { switches = 120 } }
#: "16p64k" = { processes = 16, footprint = 0x10000, small = { switches = 32 } }
#: [expect]
#: trap-and-emulate = "ok|diverged"  # the kernel nests PUSHF and POPF: whether that shows depends on timing

@user
# lmbench's lat_ctx: processes in a ring hand a token on through pipes. Whoever has it reads a word of each cache
# line of its own memory (copied at its first store after the fork) before passing it on. With one process the token
# comes back at once: what passing it on takes without a switch, which lmbench subtracts.
#
#     r12 = processes   r13 = footprint   r14 = rounds left   r15 = this process's place, 0 is process 1
#     rbx = memory      rbp = sum of the words read
user_main:
    mov r12, [rdi + PARAM_PROCESSES * 8]
    mov r13, [rdi + PARAM_FOOTPRINT * 8]
    mov rax, [rdi + PARAM_SWITCHES * 8]
    xor edx, edx
    div r12
    mov r14, rax
    xor ebp, ebp
    test r13, r13
    jz memory_ready
    mov rdi, r13
    xor esi, esi
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax
memory_ready:

    xor r15d, r15d
make_pipe:                          # pipe i: descriptors 2i to read from, 2i + 1 to write to
    lea rdi, [rip + descriptors]
    mov eax, SYS_PIPE
    syscall
    test rax, rax
    js failed
    inc r15
    cmp r15, r12
    jb make_pipe

    xor r15d, r15d
make_process:
    inc r15
    cmp r15, r12
    jae first
    mov eax, SYS_FORK
    syscall
    test rax, rax
    js failed
    jnz make_process
    call fill_memory
other:                              # waits for the token; 0 asks to exit
    call take_token
    mov r14, [rip + token]
    test r14, r14
    jz other_done
    call read_memory
    call pass_token
    jmp other
other_done:
    call pass_token
    mov rdi, rbp
    mov eax, SYS_EXIT
    syscall

first:
    xor r15d, r15d
    call fill_memory
    mov [rip + token], r14
    call pass_token                 # once around, so that everybody has started
    call take_token
    xor ebp, ebp
    ROI_BEGIN
around:
    mov [rip + token], r14
    call pass_token
    call take_token
    call read_memory
    dec r14
    jnz around
    ROI_END
    mov [rip + token], r14
    call pass_token
    call take_token
    lea r14, [r12 - 1]
    test r14, r14
    jz collected
collect:                            # the others' sums are their statuses
    mov eax, SYS_WAIT
    lea rdi, [rip + status]
    syscall
    add rbp, [rip + status]
    dec r14
    jnz collect
collected:
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, rbp
    syscall
    mov eax, SYS_GET_PARAM
    mov edi, PARAM_SWITCHES
    syscall
    xor edx, edx
    div r12
    imul rax, r12
    mov rsi, rax
    mov eax, SYS_SET_RESULT
    xor edi, edi
    syscall
    xor edi, edi
    mov eax, SYS_EXIT
    syscall
failed:
    mov rdi, rax
    mov eax, SYS_EXIT
    syscall

take_token:
    lea rdi, [r15 + r15]
    lea rsi, [rip + token]
    mov edx, 8
    mov eax, SYS_READ
    syscall
    ret

pass_token:                         # to the pipe of the next in the ring
    xor eax, eax
    lea rdi, [r15 + 1]
    cmp rdi, r12
    cmove rdi, rax
    lea rdi, [rdi + rdi + 1]
    lea rsi, [rip + token]
    mov edx, 8
    mov eax, SYS_WRITEFD
    syscall
    ret

fill_memory:                        # with ones
    xor ecx, ecx
fill_next:
    cmp rcx, r13
    jae fill_done
    mov qword ptr [rbx + rcx], 1
    add rcx, 64
    jmp fill_next
fill_done:
    ret

read_memory:
    xor ecx, ecx
read_next:
    cmp rcx, r13
    jae read_done
    add rbp, [rbx + rcx]
    add rcx, 64
    jmp read_next
read_done:
    ret

@user_data
.align 8
token: .quad 0
status: .quad 0
descriptors: .quad 0
