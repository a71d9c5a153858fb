#: title = "Fork, execute another program and wait, on Linux"
#: stresses = "replacing an address space: reading an ELF file, new page tables, demand paging"
#: outcome = "result 0 is the number of programs whose exit status was right"
#: small = { programs = 20 }
#: standard = { programs = 1000 }
#: large = { programs = 10000 }
#: slots = ["programs"]

@user
# lmbench's lat_proc exec. The program executed is this one: started with an argument it exits with status 9.
user_main:
    cmp qword ptr [rsp], 1          # argc: Linux gives /init no argument
    ja executed
    mov rbp, [rdi + PARAM_PROGRAMS * 8]
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
    cmp dword ptr [rip + status], 9 << 8
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
    lea rdi, [rip + path]
    lea rsi, [rip + arguments]
    mov [rsi], rdi
    mov [rsi + 8], rdi
    xor edx, edx
    mov eax, SYS_EXECVE
    syscall
    jmp failed
executed:
    mov edi, 9
    mov eax, SYS_EXIT
    syscall

@user_data
.align 8
arguments: .quad 0, 0, 0
status: .quad 0
path: .asciz "/init"
