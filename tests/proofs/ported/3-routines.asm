# What the kernel's statements do.

@kernel
# EDI = page, ESI = frame, RDX = flags -> RDI = its slot, RSI = its address, RDX = the entry
.macro WINDOW_ENTRY
    and edi, WINDOW_PAGES - 1
    and esi, WINDOW_PAGES - 1
    lea rcx, [rip + fuzz_frames]
    mov rcx, [rcx + rsi*8]
    mov rsi, rdi
    shl rsi, 12
    mov rax, WINDOW
    add rsi, rax
    shl edi, 3
    add rdi, [rip + fuzz_table]
    test rdx, rdx
    jz %%none
    pv_frame_to_entry rcx
    or rdx, rcx
%%none:
.endm
fuzz_edit:
    WINDOW_ENTRY
    test rdx, rdx
    jz .clear
    pv_set_pte rdi, rdx
    jmp .flush
.clear:
    pv_clear_pte rdi
.flush:
    pv_flush_page rsi
    ret
# A plain store: in the ported kernel Xen's emulation of it. Takes one store and no locked ones.
fuzz_store:
    WINDOW_ENTRY
    mov [rdi], rdx
    pv_flush_page rsi
    ret
# All pages from EDI on, in one batch
fuzz_batch:
    push rbx
    push rbp
    push r12
    mov ebx, edi
    mov ebp, esi
    mov r12, rdx
    pv_batch_begin
.next:
    mov edi, ebx
    mov esi, ebp
    mov rdx, r12
    WINDOW_ENTRY
    pv_set_pte rdi, rdx
    inc ebp
    inc ebx
    test ebx, WINDOW_PAGES - 1
    jnz .next
    pv_batch_end
    pv_flush_tlb rax
    pop r12
    pop rbp
    pop rbx
    ret
# P, W, A, D and NX of page EDI's entry, and which frame it names
fuzz_look:
    and edi, WINDOW_PAGES - 1
    mov rcx, [rip + fuzz_table]
    mov rcx, [rcx + rdi*8]
    mov rax, rcx
    mov rdx, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_NO_EXECUTE
    and rax, rdx
    call fuzz_note
    test cl, ENTRY_PRESENT
    jz .none
    ADDRESS_IN rcx, rdx
    xor eax, eax
    lea rdx, [rip + fuzz_frames]
.next:
    cmp rcx, [rdx + rax*8]
    je fuzz_note
    inc eax
    cmp eax, WINDOW_PAGES
    jb .next
    jmp fuzz_note
.none:
    ret
# A page table beside the window, used for frame ESI and given back
fuzz_span:
    push rbx
    push rbp
    and edi, 3
    shl rdi, 21
    mov rbx, BESIDE
    add rbx, rdi
    and esi, WINDOW_PAGES - 1
    lea rcx, [rip + fuzz_frames]
    mov rbp, [rcx + rsi*8]
    mov rdi, [rip + kernel_root]
    mov rsi, rbx
    mov edx, LEVEL_PAGE
    call make_slot
    pv_frame_to_entry rbp
    or rbp, ENTRY_PRESENT | ENTRY_WRITABLE
    pv_set_pte rax, rbp
    mov rbp, rax
    inc qword ptr [rbx + 64]
    mov rax, [rbx + 64]
    call fuzz_note
    pv_clear_pte rbp
    pv_flush_page rbx
    mov rdi, [rip + kernel_root]
    mov rsi, rbx
    mov edx, LEVEL_LARGE_PAGE
    call find_slot
    mov rdi, [rax]
    pv_clear_table_entry rax
    ADDRESS_IN rdi, rcx
    call release_table
    pv_flush_tlb rax
    pop rbp
    pop rbx
    ret
# An address space of its own: frame ESI mapped for users in it, added to, and everything given back
fuzz_space:
    push rbx
    push rbp
    and esi, WINDOW_PAGES - 1
    lea rcx, [rip + fuzz_frames]
    mov rbp, [rcx + rsi*8]
    call create_address_space
    mov rbx, rax
    mov rdi, rax
    mov esi, USER_TEXT
    mov rdx, rbp
    mov ecx, PAGE
    mov r8d, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER
    call map_frames
    pv_switch_root rbx
    pv_user_access_begin
    mov ecx, USER_TEXT
    inc qword ptr [rcx + 72]
    mov rax, [rcx + 72]
    pv_user_access_end
    call fuzz_note
    mov rax, [rip + kernel_root]
    pv_switch_root rax
    mov rdi, rbx
    mov esi, USER_TEXT
    mov edx, LEVEL_PAGE
    call find_slot
    pv_clear_pte rax
    mov rdi, rbp
    call release_frame              # the mapping's share of it
    mov rdi, rbx
    mov esi, USER_TEXT
    mov edx, USER_TEXT + PAGE
    xor ecx, ecx
    mov r8, USER_END
    call release_tables
    pv_root_released rbx
    mov rdi, rbx
    call release_frame
    pop rbp
    pop rbx
    ret
# Interrupts to itself: open (EDI = 0), masked and then seen (1), in a section that was open (2), or masked until another
# of these statements (3)
fuzz_interrupt:
    push rbx
    and edi, 3
    cmp edi, 2
    jb .open
    pv_irq_save rbx
    cmp edi, 2
    je .section
    pv_irq_disable
    pv_apic_write APIC_ICR_LOW, APIC_TO_SELF | VECTOR_SELF_IPI
    jmp .note
.section:
    pv_apic_write APIC_ICR_LOW, APIC_TO_SELF | VECTOR_SELF_IPI
    mov rax, [rip + self_ipis]
    call fuzz_note
    pv_irq_restore rbx
    nop
    jmp .note
.open:
    test edi, edi
    jnz .masked
    pv_irq_enable
    jmp .send
.masked:
    pv_irq_disable
.send:
    pv_apic_write APIC_ICR_LOW, APIC_TO_SELF | VECTOR_SELF_IPI
    pv_irq_enable
    nop
.note:
    mov rax, [rip + self_ipis]
    call fuzz_note
    pop rbx
    ret
# The base of FS, or a breakpoint's address, there and back
fuzz_state:
    test edi, 1
    jnz .breakpoint
    and esi, LOG_WORDS / 8 - 1
    lea rax, [rip + fuzz_words]
    lea rax, [rax + rsi*8]
    mov [rax], rdx
    mov rdx, rax
    shr rdx, 32
    mov ecx, IA32_FS_BASE
    pv_write_msr
    mov rax, fs:[0]
    jmp fuzz_note
.breakpoint:
    mov rdx, DIRECT_MAP
    mov edi, esi
    add rdx, rdi
    pv_write_dr0 rdx
    pv_read_dr0 rax
    jmp fuzz_note
# Waits for about EDI times two instructions
fuzz_wait:
    lea ecx, [rdi + 1]
.again:
    dec ecx
    jnz .again
    ret
