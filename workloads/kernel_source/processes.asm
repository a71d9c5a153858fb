# Processes: creation, the first one, exit and wait.
#
# The table's first entry is the idle process, the thread that booted. Process 1 runs the workload's
# user_main; when it exits, the run ends with its status.

.set SYSTEM_STATUS_SIGNAL, 128      # status of a process that signal s ended: 128 + s

@kernel
# -> RAX = a process with number, kernel stack and an empty address space, or 0 if the table is full. The
# running process is its parent.
create_process:
    push rbx
    lea rbx, [rip + process_table]
    lea rax, [rip + process_table_end]
.next:
    add rbx, 1 << PROCESS_SHIFT
    cmp rbx, rax
    jae .full
    cmp qword ptr [rbx + PROCESS_STATE], STATE_FREE
    jne .next
    mov rdi, rbx
    mov ecx, PROCESS_FPU / 8
    xor eax, eax
    rep stosq
    mov qword ptr [rbx + PROCESS_STATE], STATE_BLOCKED
    inc qword ptr [rip + last_number]
    mov rax, [rip + last_number]
    mov [rbx + PROCESS_NUMBER], rax
    CURRENT rax
    mov [rbx + PROCESS_PARENT], rax
    inc qword ptr [rax + PROCESS_CHILDREN]
    call allocate_frame
    mov rcx, DIRECT_MAP + PAGE
    add rax, rcx
    mov [rbx + PROCESS_KERNEL_STACK], rax
    call create_address_space
    mov [rbx + PROCESS_ROOT], rax
    mov rax, rbx
    pop rbx
    ret
.full:
    xor eax, eax
    pop rbx
    ret

# RDI = process -> RAX = its trap frame, empty; the process will start by returning from it.
prepare_kernel_stack:
    mov rax, [rdi + PROCESS_KERNEL_STACK]
    lea rcx, [rip + return_from_trap]
    mov [rax - FRAME_BYTES - 8], rcx    # where switch_process returns to ...
    lea rcx, [rax - FRAME_BYTES - 56]   # ... after six registers
    mov [rdi + PROCESS_RSP], rcx
    mov rdi, rcx
    mov rdx, rax
    mov ecx, 6
    xor eax, eax
    rep stosq
    add rdi, 8
    mov ecx, FRAME_BYTES / 8
    rep stosq
    lea rax, [rdx - FRAME_BYTES]
    ret

# RDI = trap frame, RSI = entry, RDX = argument: a program starts with this frame.
prepare_program:
    mov qword ptr [rdi + FRAME_CS], USER_CODE
    mov qword ptr [rdi + FRAME_SS], USER_DATA
    mov qword ptr [rdi + FRAME_RFLAGS], RFLAGS_IF | RFLAGS_FIXED
    mov rax, STACK_TOP
    mov [rdi + FRAME_RSP], rax
    mov rax, PARAMETER_PAGE
    mov [rdi + FRAME_RDI], rax
    mov [rdi + FRAME_RIP], rsi
    mov [rdi + FRAME_RSI], rdx
    ret

start_first_process:
    push rbx
    lea rdi, [rip + process_table]
    mov qword ptr [rdi + PROCESS_STATE], STATE_RUNNING
    lea rax, [rip + boot_stack_top]
    mov [rdi + PROCESS_KERNEL_STACK], rax
    call allocate_zeroed_frame
    mov [rip + parameter_frame], rax
    mov rcx, DIRECT_MAP
    lea rdi, [rax + rcx]
    lea rsi, [rip + parameters]
    mov ecx, PARAMETERS
    rep movsq
    call create_process
    mov rbx, rax
    fxsave64 [rbx + PROCESS_FPU]
    mov rdi, rbx
    call map_user_image
    mov rdi, rbx
    call prepare_kernel_stack
    mov rdi, rax
    mov esi, USER_MAIN
    xor edx, edx
    call prepare_program
    mov rdi, rbx
    call make_ready
    call start_ticking
    pop rbx
    ret

# EDI = status: the running process ends. Does not return.
exit_process:
    CURRENT rbx
    cmp qword ptr [rbx + PROCESS_NUMBER], 1
    je end_run
    mov edi, edi
    mov [rbx + PROCESS_STATUS], rdi
    mov rdi, rbx
    call close_files
    pv_irq_disable
    mov rax, [rip + kernel_root]
    mov gs:[CPU_ROOT], rax
    pv_switch_root rax
    pv_irq_enable
    mov rdi, rbx
    call release_address_space
    cmp qword ptr [rbx + PROCESS_CHILDREN], 0
    je .childless
    call adopt_children
.childless:
    pv_irq_disable
    mov qword ptr [rbx + PROCESS_STATE], STATE_ZOMBIE
    mov rdi, [rbx + PROCESS_PARENT]
    add rdi, PROCESS_WAITING
    call wake_all
    jmp schedule

# RBX = process that ends: its children become process 1's.
adopt_children:
    lea rcx, [rip + process_table]
    lea rdx, [rip + process_table_end]
    lea rsi, [rcx + (1 << PROCESS_SHIFT)]
.next:
    cmp [rcx + PROCESS_PARENT], rbx
    jne .not_its
    cmp qword ptr [rcx + PROCESS_STATE], STATE_FREE
    je .not_its
    mov [rcx + PROCESS_PARENT], rsi
    inc qword ptr [rsi + PROCESS_CHILDREN]
.not_its:
    add rcx, 1 << PROCESS_SHIFT
    cmp rcx, rdx
    jb .next
    ret

# RDI = process, which does not run on it: gives back its address space.
release_address_space:
    push rbx
    mov rbx, rdi
    xor esi, esi
    mov rdx, USER_END
    call unmap_regions
    mov rdi, [rbx + PROCESS_ROOT]
    mov qword ptr [rbx + PROCESS_ROOT], 0
    pop rbx
    pv_root_released rdi
    jmp release_frame

# wait(u64 *status) -> number of a child that has ended
system_wait:
    push rbx
    push rbp
    push r12
    CURRENT rbx
    mov r12, rdi
.look:
    cmp qword ptr [rbx + PROCESS_CHILDREN], 0
    je .childless
    lea rbp, [rip + process_table]
    lea rax, [rip + process_table_end]
.next:
    cmp [rbp + PROCESS_PARENT], rbx
    jne .not_it
    cmp qword ptr [rbp + PROCESS_STATE], STATE_ZOMBIE
    je .found
.not_it:
    add rbp, 1 << PROCESS_SHIFT
    cmp rbp, rax
    jb .next
    lea rdi, [rbx + PROCESS_WAITING]
    call block_on
    jmp .look
.found:
    test r12, r12
    jz .status_stored
    mov rdi, r12
    mov rsi, [rbp + PROCESS_STATUS]
    call put_user
    test rax, rax
    jnz .done
.status_stored:
    dec qword ptr [rbx + PROCESS_CHILDREN]
    mov qword ptr [rbp + PROCESS_STATE], STATE_FREE
    mov rdi, [rbp + PROCESS_KERNEL_STACK]
    mov rax, DIRECT_MAP + PAGE
    sub rdi, rax
    call release_frame
    mov rax, [rbp + PROCESS_NUMBER]
.done:
    pop r12
    pop rbp
    pop rbx
    ret
.childless:
    mov rax, -ECHILD
    jmp .done

@kernel_data
.align 64
process_table:
    .zero PROCESSES << PROCESS_SHIFT
process_table_end:
last_number: .quad 0
parameter_frame: .quad 0
