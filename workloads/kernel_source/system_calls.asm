# System calls (SDM vol. 3A, section 5.8.8): SYSCALL enters here with the return address in RCX and RFLAGS in
# R11, on the user's stack and with interrupts off.
#
# The entry makes the same trap frame as an interrupt's, so that the rest of the kernel needs to know only
# one. The way back is SYSRET if the frame is as it was, IRET if a signal or exec has changed it.

@kernel
initialise_system_calls:
    mov ecx, IA32_STAR              # SYSCALL: code and data after this; SYSRET: + 16 and + 8, with RPL 3
    xor eax, eax
    mov edx, (USER_CODE_32 | 3) << 16 | KERNEL_CODE
    pv_write_msr
    mov ecx, IA32_LSTAR
    lea rax, [rip + system_call_entry]
    mov rdx, rax
    shr rdx, 32
    pv_write_msr
    mov ecx, IA32_FMASK
    mov eax, SYSTEM_CALL_MASK
    xor edx, edx
    pv_write_msr
    ret

system_call_entry:
    pv_system_call_entry
    push 0
    push SYSTEM_CALL
    SAVE_REGISTERS
    pv_irq_enable
    cmp rax, SYSTEM_CALLS
    jae .unknown
    mov rcx, r10                    # the fourth argument, as calls want it
    lea r11, [rip + system_calls]
    call [r11 + rax*8]
.done:
    mov [rsp + FRAME_RAX], rax
    pv_irq_disable
    mov rdi, rsp
    call prepare_user_mode
    mov rcx, [rsp + FRAME_RIP]
    cmp rcx, [rsp + FRAME_RCX]
    jne return_to_user
    mov r11, [rsp + FRAME_RFLAGS]
    cmp r11, [rsp + FRAME_R11]
    jne return_to_user
    RESTORE_REGISTERS
    add rsp, FRAME_RIP - FRAME_VECTOR
    pv_system_call_return
.unknown:
    mov rax, -ENOSYS
    jmp .done

system_getpid:
    CURRENT rax
    mov rax, [rax + PROCESS_NUMBER]
    ret

system_yield:
    pv_irq_disable
    call schedule
    pv_irq_enable
    xor eax, eax
    ret

# write(buffer, length)
system_write:
    push rbx
    push rbp
    push r12
    sub rsp, 64
    mov rbx, rdi
    mov rbp, rsi
    mov r12, rsi
.next:
    mov edx, 64
    cmp rbp, rdx
    cmovb rdx, rbp
    test rdx, rdx
    jz .written
    mov rdi, rsp
    mov rsi, rbx
    add rbx, rdx
    sub rbp, rdx
    push rdx
    call copy_from_user
    pop rsi
    test rax, rax
    jnz .done
    mov rdi, rsp
    call write_characters
    jmp .next
.written:
    mov rax, r12
.done:
    add rsp, 64
    pop r12
    pop rbp
    pop rbx
    ret

# set_result(index, value)
system_set_result:
    cmp rdi, 64
    jae invalid
    lea rax, [rip + result]
    mov [rax + rdi*8], rsi
    xor eax, eax
    ret

# get_param(index)
system_get_param:
    cmp rdi, PARAMETERS
    jae invalid
    lea rax, [rip + parameters]
    mov rax, [rax + rdi*8]
    ret

invalid:
    mov rax, -EINVAL
    ret

@kernel_data
.align 8
system_calls:                       # in the order of the numbers in abi.asm
    .quad exit_process, system_getpid, system_fork, system_wait, system_write, system_mmap, system_munmap
    .quad system_mprotect, system_yield, system_set_handler, system_kill, system_sigreturn, system_pipe
    .quad system_read, system_writefd, system_exec, system_set_result, system_sleep, system_get_param
