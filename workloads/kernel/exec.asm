#: title = "Exec"
#: stresses = "replacing an address space by a fresh one, with its page faults"
#: outcome = "result 0 is the number of programs started, result 1 the number that found their data changed (0)"
#: small = { iterations = 20 }
#: standard = { iterations = 200 }
#: large = { iterations = 2000 }

.set PATTERN, 0x5a17

@user
# lmbench's lat_proc exec without the fork: each program changes a word of its data section, touches its stack and
# makes way for the next, which must find the word as it was assembled. Programs left: the argument of exec.
user_main:
    mov rbx, [rdi + PARAM_ITERATIONS * 8]
    xor r12d, r12d                  # programs that found their data changed
    ROI_BEGIN
    jmp replace
program:
    mov ebx, esi                    # argument: programs left, and damaged ones in the upper half
    mov r12, rsi
    shr r12, 32
    mov rax, [rip + untouched]
    sub rax, PATTERN
    setne al
    movzx eax, al
    add r12, rax
    mov qword ptr [rip + untouched], 0
    push rax
    test ebx, ebx
    jz last
replace:
    lea rdi, [rip + program]
    mov rsi, r12
    shl rsi, 32
    lea rax, [rbx - 1]
    or rsi, rax
    mov eax, SYS_EXEC
    syscall
last:
    ROI_END
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, r12
    syscall
    mov eax, SYS_GET_PARAM
    mov edi, PARAM_ITERATIONS
    syscall
    mov rsi, rax
    mov eax, SYS_SET_RESULT
    xor edi, edi
    syscall
    mov rdi, r12
    mov eax, SYS_EXIT
    syscall

@user_data
.align 8
untouched: .quad PATTERN
