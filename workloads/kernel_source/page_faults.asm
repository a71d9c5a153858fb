# Page faults (SDM vol. 3A, section 4.7): demand paging and copy-on-write.
#
# An access that the process's regions allow is made to work: a missing page is given a frame of zeroes, a
# write to a page shared since fork its own copy (or, when nobody else has it any more, the right to write).
# Any other is the process's fault and becomes a signal; in a copy from or to user memory on a process's
# behalf, an error of the system call; anywhere else in the kernel, the end.

@kernel
page_fault:                         # RDI = trap frame
    push rbx
    push rbp
    push r12
    mov rbx, rdi
    pv_read_fault_address rbp
    test qword ptr [rbx + FRAME_RFLAGS], RFLAGS_IF
    jz .interrupts_stay_off
    pv_irq_enable
.interrupts_stay_off:
    CURRENT r12
    mov rdi, r12
    mov rsi, rbp
    call find_region
    test rax, rax
    jz .bad
    cmp rbp, [rax + REGION_START]
    jae .allowed
    call grow_stack
    test eax, eax
    jz .bad
    mov rax, rcx
.allowed:
    mov rcx, [rbx + FRAME_ERROR]
    mov rdx, [rax + REGION_FLAGS]
    test cl, FAULT_FETCH
    jz .no_fetch
    test dl, REGION_EXECUTABLE
    jz .bad
.no_fetch:
    test cl, FAULT_WRITE
    jz .no_write
    test dl, REGION_WRITABLE
    jz .bad
    test cl, FAULT_PROTECTION
    jnz .copy
.no_write:
    test cl, FAULT_PROTECTION
    jnz .bad                        # a right that no region gives
    mov rdi, r12
    mov rsi, rax
    mov rdx, rbp
    call give_page
    jmp .done
.copy:
    mov rdi, r12
    mov rsi, rax
    mov rdx, rbp
    call copy_page_on_write
    jmp .done
.bad:
    mov rdi, rbx
    mov rsi, rbp
    call bad_access
.done:
    pv_irq_disable
    pop r12
    pop rbp
    pop rbx
    ret

# RAX = region above address RBP: if it is a stack and may grow that far, it does. -> EAX = 1, RCX = region
grow_stack:
    mov rcx, rax
    xor eax, eax
    test byte ptr [rcx + REGION_FLAGS], REGION_STACK
    jz .no
    mov rdx, STACK_TOP - STACK_LIMIT
    cmp rbp, rdx
    jb .no
    mov rdx, rbp
    and rdx, -PAGE
    mov [rcx + REGION_START], rdx
    inc eax
.no:
    ret

# RDI = trap frame, RSI = address: an access that no region allows.
bad_access:
    test byte ptr [rdi + FRAME_CS], FROM_USER
    jnz raise_fault
    mov rax, [rdi + FRAME_RIP]
    lea rcx, [rip + user_access_start]
    cmp rax, rcx
    jb panic_exception
    lea rcx, [rip + user_access_stop]
    cmp rax, rcx
    jae panic_exception
    lea rax, [rip + user_access_failed]
    mov [rdi + FRAME_RIP], rax
    ret

# RDI = process, RSI = region, RDX = address: gives it a page of zeroes there. A writable one is born dirty.
give_page:
    push rbx
    push rbp
    push r12
    mov rbx, rsi
    mov rbp, rdx
    mov r12, [rdi + PROCESS_ROOT]
    test byte ptr [rbx + REGION_FLAGS], REGION_LARGE
    jnz .large
    call allocate_zeroed_frame
    push rax
    mov rdi, r12
    mov rsi, rbp
    mov edx, LEVEL_PAGE
    call make_slot
    pop rcx
    call region_entry
    pv_set_pte rax, rcx
    jmp .done
.large:
    call allocate_zeroed_block
    push rax
    mov rdi, r12
    mov rsi, rbp
    mov edx, LEVEL_LARGE_PAGE
    call make_slot
    pop rcx
    call region_entry
    or rcx, ENTRY_LARGE
    pv_set_pmd rax, rcx
.done:
    pop r12
    pop rbp
    pop rbx
    ret

# RBX = region, RCX = frame -> RCX = entry with the region's rights
region_entry:
    pv_frame_to_entry rcx
    or rcx, USER_PAGE_FLAGS
    mov rdx, [rbx + REGION_FLAGS]
    test dl, REGION_WRITABLE
    jz .read_only
    or rcx, ENTRY_WRITABLE | ENTRY_DIRTY
.read_only:
    test dl, REGION_EXECUTABLE
    jnz .executable
    bts rcx, 63                     # ENTRY_NO_EXECUTE
.executable:
    ret

# RDI = process, RSI = region, RDX = address: its page there was written to but is read-only.
copy_page_on_write:
    push rbx
    push rbp
    push r12
    push r13
    mov rbx, rsi
    mov rbp, rdx
    mov r13d, LEVEL_PAGE
    test byte ptr [rbx + REGION_FLAGS], REGION_LARGE
    jz .level_known
    mov r13d, LEVEL_LARGE_PAGE
.level_known:
    mov rdi, [rdi + PROCESS_ROOT]
    mov rsi, rbp
    mov edx, r13d
    call find_slot
    mov r12, rax
    mov rdi, [r12]
    ADDRESS_IN rdi, rcx
    call count_owners
    cmp eax, 1
    je .only_owner
    call .copy
    jmp .write_entry
.only_owner:
    mov rcx, [r12]
    or rcx, ENTRY_WRITABLE | ENTRY_DIRTY
.write_entry:
    cmp r13d, LEVEL_PAGE
    jne .large
    pv_set_pte r12, rcx
    jmp .flush
.large:
    pv_set_pmd r12, rcx
.flush:
    pv_flush_page rbp
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
.copy:                              # -> RCX = entry of a copy; the original loses an owner
    push qword ptr [r12]
    cmp r13d, LEVEL_PAGE
    jne .copy_block
    call allocate_frame
    mov ecx, PAGE / 8
    jmp .copy_content
.copy_block:
    call allocate_block
    mov ecx, LARGE_PAGE / 8
.copy_content:
    pop rsi
    ADDRESS_IN rsi, rdx
    push rsi
    push rax
    mov rdi, rax
    call copy_memory
    mov rdi, [rsp + 8]
    cmp r13d, LEVEL_PAGE
    jne .release_block
    call release_frame
    jmp .released
.release_block:
    call release_block
.released:
    pop rcx
    pop rdi
    call region_entry
    cmp r13d, LEVEL_PAGE
    je .entry_ready
    or rcx, ENTRY_LARGE
.entry_ready:
    ret
