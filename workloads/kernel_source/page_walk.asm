# Doing something to every page in a range of addresses: taking it away, protecting it, sharing it.

@kernel
# Calls RCX for each present page of root RDI from address RSI to RDX: with RDI = its slot, RSI = its address,
# RDX = its entry, RCX = R8 as given here. -> RAX = number of calls. Where a page table is missing, its 2 MiB
# are skipped at once.
each_page:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push r8
    push 0                          # calls
    mov rbx, rdi
    mov rbp, rsi
    mov r12, rdx
    mov r15, rcx
.next_table:
    cmp rbp, r12
    jae .done
    lea r13, [rbp + LARGE_PAGE]
    and r13, -LARGE_PAGE
    mov rdi, rbx
    mov rsi, rbp
    mov edx, LEVEL_LARGE_PAGE
    call find_slot
    test rax, rax
    jz .skip
    mov rdx, [rax]
    test dl, ENTRY_PRESENT
    jz .skip
    test dl, ENTRY_LARGE
    jnz .large
    ADDRESS_IN rdx, rcx
    mov rcx, DIRECT_MAP
    add rdx, rcx
    mov ecx, LEVEL_PAGE
    SLOT_OF rbp, rdx
    mov r14, rax
    cmp r13, r12
    cmova r13, r12
.next_page:
    mov rdx, [r14]
    test dl, ENTRY_PRESENT
    jz .absent
    mov rdi, r14
    mov rsi, rbp
    mov rcx, [rsp + 8]
    inc qword ptr [rsp]
    call r15
.absent:
    add r14, 8
    add rbp, PAGE
    cmp rbp, r13
    jb .next_page
    jmp .next_table
.large:
    mov rdi, rax
    mov rsi, rbp
    mov rcx, [rsp + 8]
    inc qword ptr [rsp]
    call r15
.skip:
    mov rbp, r13
    jmp .next_table
.done:
    pop rax
    pop r8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# For each_page: takes the page out of the address space.
remove_page:
    test dl, ENTRY_LARGE
    jnz .large
    pv_clear_pte rdi
    ADDRESS_IN rdx, rcx
    mov rdi, rdx
    jmp release_frame
.large:
    pv_clear_pmd rdi
    ADDRESS_IN rdx, rcx
    mov rdi, rdx
    jmp release_block

# For each_page: makes the page read-only.
protect_page:
    test dl, ENTRY_WRITABLE
    jz .unchanged
    and rdx, ~ENTRY_WRITABLE
    test dl, ENTRY_LARGE
    jnz .large
    pv_set_pte rdi, rdx
.unchanged:
    ret
.large:
    pv_set_pmd rdi, rdx
    ret

# For each_page: gives the page to the address space RCX too. A writable one becomes read-only in both; the
# next write to it will copy it (page_faults.asm).
share_page:
    push rbx
    push rbp
    push r12
    mov rbx, rcx
    mov rbp, rsi
    and rdx, ~ENTRY_WRITABLE
    mov r12, rdx
    cmp [rdi], rdx
    je .was_read_only
    test dl, ENTRY_LARGE
    jnz .protect_large
    pv_set_pte rdi, rdx
    jmp .was_read_only
.protect_large:
    pv_set_pmd rdi, rdx
.was_read_only:
    mov rdi, r12
    ADDRESS_IN rdi, rcx
    call share_frame
    mov rdi, rbx
    mov rsi, rbp
    mov edx, LEVEL_PAGE
    test r12b, ENTRY_LARGE
    jz .level_known
    mov edx, LEVEL_LARGE_PAGE
.level_known:
    call make_slot
    test r12b, ENTRY_LARGE
    jnz .large
    pv_set_pte rax, r12
    jmp .done
.large:
    pv_set_pmd rax, r12
.done:
    pop r12
    pop rbp
    pop rbx
    ret
