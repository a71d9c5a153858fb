#: title = "Protection fault on Linux"
#: stresses = "a store to a read-only page, delivered to the program as a signal"
#: outcome = "result 0 is the number of faults handled"
#: small = { iterations = 400 }
#: standard = { iterations = 4000 }
#: large = { iterations = 40000 }
#: slots = ["faults"]

@user
# lmbench's lat_sig prot: the handler steps over the store. A child does it: of its first process's faults the kernel
# tells on the console, handled or not.
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    mov eax, SYS_FORK
    syscall
    test rax, rax
    js failed
    jnz parent
    mov edi, SIGSEGV
    lea rsi, [rip + action]
    xor edx, edx
    mov r10d, 8
    mov eax, SYS_RT_SIGACTION
    syscall
    test rax, rax
    js failed
    MAP_MEMORY 4096
    mov rbx, rax
    mov rdi, rax
    mov esi, 4096
    mov edx, PROT_READ
    mov eax, SYS_MPROTECT
    syscall
    mov rax, [rbx]
    ROI_BEGIN
again:
    mov [rbx], rbp                  # 3 bytes
    dec rbp
    jnz again
    ROI_END
    mov rax, [rip + faults]
    SET_RESULT 0, rax
    xor edi, edi
    jmp finish

parent:                             # sleeps: the child switches the machine off
    mov edi, -1
    xor esi, esi
    xor edx, edx
    xor r10d, r10d
    mov eax, SYS_WAIT4
    syscall
    jmp failed

handler:
    inc qword ptr [rip + faults]
    add qword ptr [rdx + SIGNAL_CONTEXT_RIP], 3
    ret
restore:
    mov eax, SYS_RT_SIGRETURN
    syscall

@user_data
.align 8
action: .quad handler, SA_RESTORER | SA_SIGINFO, restore, 0
faults: .quad 0
