# New programs: fork copies a process, exec gives it the user image afresh.
#
# Fork copies no page. Parent and child share all frames, writable ones read-only until one of the two writes
# (page_faults.asm). The image's own frames always have the kernel as an owner, so every process that writes to
# its data section gets a copy, and exec finds the image as it was assembled.

@kernel
# fork() -> number of the child, 0 in the child
system_fork:
    push rbx
    push rbp
    push r12
    CURRENT rbx
    call create_process
    test rax, rax
    jz .full
    mov rbp, rax
    lea rsi, [rbx + PROCESS_HANDLERS]   # handlers, files, regions
    lea rdi, [rbp + PROCESS_HANDLERS]
    mov ecx, (PROCESS_FPU - PROCESS_HANDLERS) / 8
    rep movsq
    fxsave64 [rbp + PROCESS_FPU]
    mov rdi, rbp
    call reference_files
    call share_address_space
    mov rdi, rbp
    call prepare_kernel_stack
    mov rdi, rax
    mov rdx, rax
    CURRENT_FRAME rsi
    mov ecx, FRAME_BYTES / 8
    rep movsq
    mov qword ptr [rdx + FRAME_RAX], 0
    mov rdi, rbp
    call make_ready
    mov rax, [rbp + PROCESS_NUMBER]
.done:
    pop r12
    pop rbp
    pop rbx
    ret
.full:
    mov rax, -EAGAIN
    jmp .done

# RBX = parent, RBP = child, which has the same regions: all pages are shared from now on.
share_address_space:
    push r12
    pv_batch_begin
    lea r12, [rbx + PROCESS_REGIONS]
.next:
    mov rdi, [rbx + PROCESS_ROOT]
    mov rsi, [r12 + REGION_START]
    mov rdx, [r12 + REGION_END]
    test rdx, rdx
    jz .done
    lea rcx, [rip + share_page]
    mov r8, [rbp + PROCESS_ROOT]
    call each_page
    add r12, REGION_BYTES
    jmp .next
.done:
    pv_batch_end
    pv_flush_tlb rax                # the parent's writable pages are no longer
    pop r12
    ret

# exec(entry, argument): does not return if it succeeds
system_exec:
    push rbx
    push rbp
    push r12
    push r13
    mov r12, rdi
    mov r13, rsi
    CURRENT rbx
    mov rdi, [rbx + PROCESS_ROOT]
    mov rbp, rdi
    call create_address_space
    pv_irq_disable                  # from now on the process runs on the new one
    mov gs:[CPU_ROOT], rax
    pv_switch_root rax
    pv_irq_enable
    push rax
    mov rdi, rbx                    # the old one goes with its regions
    call release_address_space
    pop rax
    mov [rbx + PROCESS_ROOT], rax
    lea rdi, [rbx + PROCESS_HANDLERS]
    mov ecx, SIGNALS
    xor eax, eax
    rep stosq
    mov rdi, rbx
    call map_user_image
    CURRENT_FRAME rdi
    xor eax, eax
    mov ecx, FRAME_BYTES / 8
    mov rdx, rdi
    rep stosq
    mov rdi, rdx
    mov rsi, r12
    mov rdx, r13
    call prepare_program
    xor eax, eax
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# RDI = process with an empty address space: image, stack and parameters as a program finds them.
map_user_image:
    push rbx
    mov rbx, rdi
    pv_batch_begin
    mov rsi, USER_TEXT
    mov rdx, USER_TEXT + USER_TEXT_BYTES
    mov ecx, REGION_EXECUTABLE
    call insert_region
    mov rdi, rbx
    mov rsi, USER_TEXT + USER_TEXT_BYTES
    mov rdx, USER_TEXT + USER_TEXT_BYTES + USER_DATA_BYTES
    mov ecx, REGION_WRITABLE
    cmp rsi, rdx
    je .no_data
    call insert_region
.no_data:
    mov rdi, rbx
    mov rdx, STACK_TOP
    lea rsi, [rdx - PAGE]
    mov ecx, REGION_WRITABLE | REGION_STACK
    call insert_region
    mov rdi, rbx
    mov rsi, PARAMETER_PAGE
    lea rdx, [rsi + PAGE]
    xor ecx, ecx
    call insert_region
    lea rdx, [rip + kernel_data_end]    # the image's pages; data is copied when written to
    mov rax, KERNEL_BASE
    sub rdx, rax
    mov rdi, [rbx + PROCESS_ROOT]
    mov esi, USER_TEXT
    mov ecx, USER_TEXT_BYTES
    mov r8d, USER_PAGE_FLAGS
    call map_frames
    lea rdx, [rip + kernel_data_end + USER_TEXT_BYTES]
    mov rax, KERNEL_BASE
    sub rdx, rax
    mov rdi, [rbx + PROCESS_ROOT]
    mov esi, USER_TEXT + USER_TEXT_BYTES
    mov ecx, USER_DATA_BYTES
    mov r8, USER_PAGE_FLAGS | ENTRY_NO_EXECUTE
    call map_frames
    mov rdi, [rbx + PROCESS_ROOT]
    mov rsi, PARAMETER_PAGE
    mov rdx, [rip + parameter_frame]
    mov ecx, PAGE
    mov r8, USER_PAGE_FLAGS | ENTRY_NO_EXECUTE
    call map_frames
    pv_batch_end
    pop rbx
    ret
