#: title = "Pipe latency on Linux"
#: stresses = "a byte to another process and back: system calls and context switches"
#: outcome = "result 0 is the number of bytes that came back"
#: small = { round_trips = 200 }
#: standard = { round_trips = 2000 }
#: large = { round_trips = 20000 }
#: slots = ["bytes"]

@user
# lmbench's lat_pipe.
user_main:
    mov rbp, [rdi + PARAM_ROUND_TRIPS * 8]
    lea rdi, [rip + there]
    mov eax, SYS_PIPE
    syscall
    test rax, rax
    js failed
    lea rdi, [rip + back]
    mov eax, SYS_PIPE
    syscall
    test rax, rax
    js failed
    mov eax, SYS_FORK
    syscall
    test rax, rax
    js failed
    jz child
    xor ebx, ebx
    ROI_BEGIN
again:
    mov edi, [rip + there + 4]
    call send
    mov edi, [rip + back]
    call receive
    add rbx, rax
    dec rbp
    jnz again
    ROI_END
    SET_RESULT 0, rbx
    xor edi, edi
    jmp finish
child:
    mov edi, [rip + there]
    call receive
    mov edi, [rip + back + 4]
    call send
    jmp child

send:
    mov eax, SYS_WRITE
    jmp transfer
receive:
    mov eax, SYS_READ
transfer:
    lea rsi, [rip + byte]
    mov edx, 1
    syscall
    ret

@user_data
.align 8
there: .quad 0
back: .quad 0
byte: .quad 0
