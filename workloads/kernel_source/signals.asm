# Signals: a process's handler is called in user mode, on the user's stack.
#
# The trap frame of the interruption is copied below the user's stack pointer (and the 128 bytes below it that
# the System V ABI lets a leaf function use); SYS_SIGRETURN copies it back, with what is the kernel's in it made
# safe. The FPU's registers are the handler's to keep.

.set RED_ZONE, 128

@kernel
# RDI = trap frame, RSI = address: the running process did what it may not.
raise_fault:
    CURRENT rax
    mov [rax + PROCESS_FAULT_ADDRESS], rsi
    or qword ptr [rax + PROCESS_SIGNALS], 1 << SIGNAL_FAULT
    ret

# RDI = trap frame: lets the running process handle its lowest pending signal.
deliver_signal:
    push rbx
    push rbp
    push r12
    push r13
    mov rbx, rdi
    CURRENT r12
    bsf r13, [r12 + PROCESS_SIGNALS]
    btr [r12 + PROCESS_SIGNALS], r13
    mov rax, [r12 + PROCESS_HANDLERS + r13*8]
    test rax, rax
    jz .no_handler
    mov rbp, [rbx + FRAME_RSP]
    sub rbp, RED_ZONE + FRAME_BYTES
    and rbp, -16
    mov rdi, rbp
    mov rsi, rbx
    mov edx, FRAME_BYTES
    call copy_to_user
    test rax, rax
    jnz .no_stack
    mov rax, [r12 + PROCESS_HANDLERS + r13*8]
    mov [rbx + FRAME_RIP], rax
    mov [rbx + FRAME_RSP], rbp
    mov [rbx + FRAME_RSI], rbp
    mov [rbx + FRAME_RDI], r13
    mov rax, [r12 + PROCESS_FAULT_ADDRESS]
    mov [rbx + FRAME_RDX], rax
    mov qword ptr [rbx + FRAME_RFLAGS], RFLAGS_IF | RFLAGS_FIXED
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
.no_stack:
    mov r13d, SIGNAL_FAULT
.no_handler:
    call report_death
    lea edi, [r13 + SYSTEM_STATUS_SIGNAL]
    jmp exit_process

# RBX = trap frame, R12 = process, R13 = the signal that ends it: says so on the console.
report_death:
    lea rdi, [rip + death_text]
    call write_string
    mov rdi, [r12 + PROCESS_NUMBER]
    call write_number
    mov rdi, r13
    call write_number
    mov rdi, [rbx + FRAME_RIP]
    call write_number
    mov rdi, [r12 + PROCESS_FAULT_ADDRESS]
    call write_number
    lea rdi, [rip + line_end]
    jmp write_string

# set_handler(signal, handler)
system_set_handler:
    cmp rdi, SIGNALS
    jae invalid
    CURRENT rax
    mov [rax + PROCESS_HANDLERS + rdi*8], rsi
    xor eax, eax
    ret

# kill(process number, signal)
system_kill:
    lea rax, [rsi - 1]
    cmp rax, SIGNALS - 1
    jae invalid
    test rdi, rdi
    jz .none
    lea rax, [rip + process_table]
    lea rcx, [rip + process_table_end]
.next:
    add rax, 1 << PROCESS_SHIFT
    cmp rax, rcx
    jae .none
    cmp [rax + PROCESS_NUMBER], rdi
    jne .next
    cmp qword ptr [rax + PROCESS_STATE], STATE_FREE
    je .next
    bts [rax + PROCESS_SIGNALS], rsi
    xor eax, eax
    ret
.none:
    mov rax, -ESRCH
    ret

# sigreturn(): the frame lies where the user's RSP points to
system_sigreturn:
    sub rsp, FRAME_BYTES
    mov rdi, rsp
    CURRENT_FRAME rsi
    mov rsi, [rsi + FRAME_RSP]
    mov edx, FRAME_BYTES
    call copy_from_user
    test rax, rax
    jnz .no_frame
    mov qword ptr [rsp + FRAME_CS], USER_CODE
    mov qword ptr [rsp + FRAME_SS], USER_DATA
    and qword ptr [rsp + FRAME_RFLAGS], RFLAGS_USER
    or qword ptr [rsp + FRAME_RFLAGS], RFLAGS_IF | RFLAGS_FIXED
    mov rsi, rsp
    CURRENT_FRAME rdi
    mov ecx, FRAME_BYTES / 8
    rep movsq
    mov rax, [rsp + FRAME_RAX]
    add rsp, FRAME_BYTES
    ret
.no_frame:
    mov edi, SYSTEM_STATUS_SIGNAL + SIGNAL_FAULT
    jmp exit_process

@kernel_data
death_text: .asciz "process ended by a signal (process, signal, RIP, last bad address): "
