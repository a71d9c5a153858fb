# What stands around every program of this family, which Linux starts as /init: it calls user_main with RDI =
# parameters (64-bit words), prints what the program left in `results` and the status that it returned in RDI by
# jumping to `finish`, and switches the machine off.
#
#     trapbench-result 0123456789abcdef       once for each word of `results` that the program declared
#     trapbench-status 0

.set RESULT_PREFIX, 17
.set STATUS_PREFIX, 17

@user
_start:
    lea rdi, [rip + parameters]
    jmp user_main

failed:                             # a system call that must not fail did: RAX is its error
    neg rax
    mov rdi, rax

finish:                             # RDI = status
    mov r15, rdi
    xor ebx, ebx
next_result:
    cmp rbx, RESULTS
    jae last_result
    lea rsi, [rip + result_line]
    mov edx, RESULT_PREFIX
    call print
    lea rdi, [rip + results]
    mov rdi, [rdi + rbx * 8]
    call print_hexadecimal
    inc rbx
    jmp next_result
last_result:
    lea rsi, [rip + status_line]
    mov edx, STATUS_PREFIX
    call print
    mov rdi, r15
    call print_hexadecimal
    mov edi, 1
    mov esi, TCSBRK
    mov edx, 1
    mov eax, SYS_IOCTL
    syscall
    mov edi, REBOOT_MAGIC1
    mov esi, REBOOT_MAGIC2
    mov edx, REBOOT_POWER_OFF
    mov eax, SYS_REBOOT
    syscall
halted:
    jmp halted

print_hexadecimal:                  # RDI = value, printed with 16 digits and the end of the line
    lea rsi, [rip + digits]
    mov ecx, 16
next_digit:
    rol rdi, 4
    mov eax, edi
    and eax, 15
    cmp eax, 10
    jb below_ten
    add eax, 'a' - '0' - 10
below_ten:
    add eax, '0'
    mov [rsi], al
    inc rsi
    dec ecx
    jnz next_digit
    lea rsi, [rip + digits]
    mov edx, 17
print:                              # RSI = text, RDX = length
    mov edi, 1
    mov eax, SYS_WRITE
    syscall
    ret

@user_data
.align 16
parameters:
    PARAMETER_WORDS
results:
    .rept 16
    .quad 0
    .endr
result_line: .ascii "trapbench-result "
status_line: .ascii "trapbench-status "
digits: .ascii "0123456789abcdef\n"
