#: title = "Context switch on Linux"
#: stresses = "switching address spaces: 2 processes without memory of their own, @<processes>p<footprint>k"
#: outcome = "result 0 is the number of rounds of the token, result 1 the sum of what the last process counted"
#: small = { processes = 2, footprint = 0, switches = 240 }
#: standard = { processes = 2, footprint = 0, switches = 2400 }
#: large = { processes = 2, footprint = 0, switches = 24000 }
#: slots = ["rounds", "token"]
#: [variants]
#: "2p16k" = { footprint = 0x4000 }
#: "2p64k" = { footprint = 0x10000 }
#: "8p0k" = { processes = 8 }
#: "8p16k" = { processes = 8, footprint = 0x4000 }
#: "8p64k" = { processes = 8, footprint = 0x10000 }
#: "16p0k" = { processes = 16 }
#: "16p16k" = { processes = 16, footprint = 0x4000 }
#: "16p64k" = { processes = 16, footprint = 0x10000 }

@user
# lmbench's lat_ctx: processes in a ring hand a token on through pipes; whoever has it adds up its own memory and
# counts the token up. The last process is the first one, which goes round by round.
#
#     r12 = processes   r13 = footprint   r14 = rounds left   r15 = this process's place   rbx = memory
user_main:
    mov r12, [rdi + PARAM_PROCESSES * 8]
    mov r13, [rdi + PARAM_FOOTPRINT * 8]
    mov rax, [rdi + PARAM_SWITCHES * 8]
    xor edx, edx
    div r12
    mov r14, rax
    SET_RESULT 0, rax
    xor r15d, r15d
make_pipe:                          # pipe i leads to process i: descriptors 3 + 2i to read from, 4 + 2i to write to
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
    call own_memory
other:
    call take_token
    call pass_token
    jmp other

first:
    xor r15d, r15d
    call own_memory
    call pass_token                 # a round before measuring: memory is copied, pipes are open
    call take_token
    ROI_BEGIN
again:
    call pass_token
    call take_token
    dec r14
    jnz again
    ROI_END
    mov rax, [rip + token]
    SET_RESULT 1, rax
    xor edi, edi
    jmp finish                      # the others end with the machine

own_memory:
    test r13, r13
    jz no_memory
    MAP_MEMORY r13, MAP_PRIVATE_ANONYMOUS | MAP_POPULATE
    mov rbx, rax
no_memory:
    ret

take_token:
    lea rdi, [r15 + r15 + 3]
    lea rsi, [rip + token]
    mov edx, 8
    mov eax, SYS_READ
    syscall
    xor ecx, ecx
read_line:
    cmp rcx, r13
    jae lines_read
    add rax, [rbx + rcx]
    add rcx, 64
    jmp read_line
lines_read:
    ret

pass_token:
    inc qword ptr [rip + token]
    lea rdi, [r15 + 1]
    xor eax, eax
    cmp rdi, r12
    cmovae rdi, rax
    lea rdi, [rdi + rdi + 4]
    lea rsi, [rip + token]
    mov edx, 8
    mov eax, SYS_WRITE
    syscall
    ret

@user_data
.align 8
descriptors: .quad 0
token: .quad 0
