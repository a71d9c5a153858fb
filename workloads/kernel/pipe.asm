#: title = "Pipe ping-pong"
#: stresses = "system calls, blocking and waking, switches between two address spaces, small copies"
#: outcome = "result 0 is the sum of the numbers sent back, each one more than the one sent"
#: small = { iterations = 150, bytes = 8 }
#: standard = { iterations = 1500, bytes = 8 }
#: large = { iterations = 15000, bytes = 8 }
#: variants = { "1k" = { bytes = 1024 } }
#: [expect]
#: trap-and-emulate = "ok|diverged"  # the kernel nests PUSHF and POPF: whether that shows depends on timing

@user
# lmbench's lat_pipe: a message goes to a child through one pipe and comes back through another. Its first
# word is a number that the child adds one to.
.set HERE, 0                        # this process's pipe: descriptor to read from
.set THERE, 2                       # the child's

user_main:
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov r13, [rdi + PARAM_BYTES * 8]
    lea rdi, [rip + descriptors]
    mov eax, SYS_PIPE
    syscall
    lea rdi, [rip + descriptors]
    mov eax, SYS_PIPE
    syscall
    mov rdi, r13
    xor esi, esi
    mov eax, SYS_MMAP
    syscall
    mov rbx, rax                    # the message
    mov eax, SYS_FORK
    syscall
    test rax, rax
    jz child
    mov rbp, r12
    xor r14d, r14d                  # sum
    ROI_BEGIN
again:
    mov [rbx], rbp
    mov edi, THERE + 1
    call send
    mov edi, HERE
    call receive
    add r14, [rbx]
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, r14
    syscall
    xor edi, edi
    mov eax, SYS_EXIT
    syscall

child:
    mov edi, THERE
    call receive
    inc qword ptr [rbx]
    mov edi, HERE + 1
    call send
    jmp child

send:                               # the message to descriptor RDI
    mov rsi, rbx
    mov rdx, r13
    mov eax, SYS_WRITEFD
    syscall
    ret

receive:                            # the message from descriptor RDI, in as many pieces as it comes in
    mov r8, rdi
    mov r9, rbx
    mov r10, r13
receive_more:
    mov rdi, r8
    mov rsi, r9
    mov rdx, r10
    mov eax, SYS_READ
    syscall
    add r9, rax
    sub r10, rax
    jnz receive_more
    ret

@user_data
.align 8
descriptors: .quad 0
