# Address spaces: walking and changing page tables in software.
#
# A slot is the place of an entry. Its level is told by the shift of its index in the address: 12 for a 4 KiB
# page, 21 for a 2 MiB page or a page table, 30 for a page directory, 39 for a PDPT.

.set LEVEL_PAGE, 12
.set LEVEL_LARGE_PAGE, 21
.set LEVEL_DIRECTORY, 30
.set LEVEL_ROOT, 39
.set LEVEL_BITS, 9

# RAX = pointer to the slot of address \address in the table at \table (physical); CL is the level's shift.
.macro SLOT_OF address, table
    mov rax, \address
    shr rax, cl
    and eax, ENTRIES - 1
    lea rax, [\table + rax*8]
.endm
# The physical address in entry \register
.macro ADDRESS_IN register, scratch
    pv_entry_to_frame \register
    mov \scratch, ENTRY_ADDRESS
    and \register, \scratch
.endm

@kernel
# -> RAX = root of a new address space: the kernel's half, and an empty lower one
create_address_space:
    call allocate_zeroed_frame
    mov rcx, DIRECT_MAP
    lea rdi, [rcx + rax]
    add rcx, [rip + kernel_root]
    mov rdx, [rcx + DIRECT_MAP_INDEX * 8]
    mov [rdi + DIRECT_MAP_INDEX * 8], rdx
    mov rdx, [rcx + IMAGE_INDEX * 8]
    mov [rdi + IMAGE_INDEX * 8], rdx
    pv_root_created rax
    ret

# RDI = root, RSI = address, EDX = level -> RAX = pointer to the slot; 0 if a table on the way is missing
find_slot:
    mov r8, DIRECT_MAP
    mov r9, ENTRY_ADDRESS
    mov ecx, LEVEL_ROOT
.next:
    add rdi, r8
    SLOT_OF rsi, rdi
    cmp ecx, edx
    je .found
    mov rdi, [rax]
    test dil, ENTRY_PRESENT
    jz .none
    test dil, ENTRY_LARGE
    jnz .none
    pv_entry_to_frame rdi
    and rdi, r9
    sub ecx, LEVEL_BITS
    jmp .next
.none:
    xor eax, eax
.found:
    ret

# The same, but missing tables are made.
make_slot:
    push rbx
    push rbp
    push r12
    push r13
    mov rbp, rdi
    mov r12, rsi
    mov r13d, edx
    mov ebx, LEVEL_ROOT
.next:
    mov ecx, ebx
    mov rax, DIRECT_MAP
    add rbp, rax
    SLOT_OF r12, rbp
    cmp ebx, r13d
    je .found
    mov rbp, rax
    mov rax, [rbp]
    test al, ENTRY_PRESENT
    jnz .there
    call allocate_table
    pv_frame_to_entry rax
    or rax, TABLE_FLAGS
    pv_set_table_entry rbp, rax
.there:
    ADDRESS_IN rax, rcx
    mov rbp, rax
    sub ebx, LEVEL_BITS
    jmp .next
.found:
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# Maps RCX bytes of frames from physical RDX at address RSI of root RDI with entry flags R8. The frames get
# one owner more each.
map_frames:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    mov rbx, rdi
    mov rbp, rsi
    mov r12, rdx
    lea r13, [rsi + rcx]
    mov r14, r8
    cmp rbp, r13
    je .done
.next:
    mov rdi, rbx
    mov rsi, rbp
    mov edx, LEVEL_PAGE
    call make_slot
    mov rcx, r12
    pv_frame_to_entry rcx
    or rcx, r14
    pv_set_pte rax, rcx
    mov rdi, r12
    call share_frame
    add r12, PAGE
    add rbp, PAGE
    cmp rbp, r13
    jb .next
.done:
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# Frees the tables of root RDI that serve addresses from RSI to RDX only. Those below RCX and from R8 on are
# in use for something else: a table stays if its span reaches there.
release_tables:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    push rcx
    push r8
    mov rbx, rdi
    mov r12, rsi
    mov r13, rdx
    mov r14d, LEVEL_LARGE_PAGE
.next_level:
    mov ecx, r14d
    mov r15d, 1
    shl r15, cl                     # span of a table of this level
    mov rbp, r15
    neg rbp
    and rbp, r12
.next_table:                        # signed: the span of PML4 slot 511 ends at 0
    cmp rbp, [rsp + 8]
    jl .keep
    lea rax, [rbp + r15]
    cmp rax, [rsp]
    jg .keep
    mov rdi, rbx
    mov rsi, rbp
    mov edx, r14d
    call find_slot
    test rax, rax
    jz .keep
    mov rdi, [rax]
    test dil, ENTRY_PRESENT
    jz .keep
    pv_clear_table_entry rax
    ADDRESS_IN rdi, rcx
    call release_table
.keep:
    add rbp, r15
    cmp rbp, r13
    jl .next_table
    add r14d, LEVEL_BITS
    cmp r14d, LEVEL_ROOT
    jbe .next_level
    pop r8
    pop rcx
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# Forgets what the TLB knows of the user addresses from RDI to RSI: page by page, or, like Linux, all at once
# if there are many.
.set MANY_PAGES, 33
flush_range:
    mov rax, rsi
    sub rax, rdi
    cmp rax, MANY_PAGES * PAGE
    ja .all
.next:
    pv_flush_page rdi
    add rdi, PAGE
    cmp rdi, rsi
    jb .next
    ret
.all:
    pv_flush_tlb rax
    ret
