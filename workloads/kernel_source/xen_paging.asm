# The ported kernel's own page tables: those that Xen's domain builder made, with the direct map added.
#
#   PML4[511] -> PDPT[510] -> PD -> PTs    all memory at KERNEL_BASE, 4 KiB pages
#   PML4[272] -> PDPT[0]   -> the same PD  the direct map, not executable
#
# Both views share their page tables, so a frame that becomes a page table is made read-only in one entry.
# A process has a second root, without the kernel's half, for user mode. A kernel at CPL 1 (PV_DIRECT) needs none:
# the pages' user bit keeps its programs out.

.set DIRECT_MAP_INDEX, (DIRECT_MAP >> 39) & 511
.set IMAGE_INDEX, 511
.set LOWER_DIRECTORY, 510
.set XEN_TABLE_PAGE, ENTRY_PRESENT | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_NO_EXECUTE
.set XEN_DATA_PAGE, XEN_TABLE_PAGE | ENTRY_WRITABLE
.set XEN_TEXT_PAGE, ENTRY_PRESENT | ENTRY_ACCESSED

@kernel
open_direct_map:
    mov rdx, KERNEL_BASE
    mov rax, [rip + kernel_root]
    lea rbx, [rax + rdx]            # the builder's PML4
    mov rax, [rbx + IMAGE_INDEX * 8]
    call .table_of
    mov rsi, [rax + LOWER_DIRECTORY * 8]
    mov rax, rsi
    call .table_of
    mov [rip + xen_directory], rax
    lea rdi, [rip + xen_direct_pointers]
    mov [rdi], rsi
    sub rdi, rdx
    pv_table_created rdi
    pv_frame_to_entry rdi
    mov rax, TABLE_FLAGS | ENTRY_NO_EXECUTE
    or rdi, rax
    add rbx, DIRECT_MAP_INDEX * 8
    pv_set_table_entry rbx, rdi
    ret
.table_of:                          # entry RAX -> RAX = pointer to its table
    pv_entry_to_frame rax
    mov rcx, ENTRY_ADDRESS
    and rax, rcx
    add rax, rdx
    ret

build_kernel_tables:
    mov rax, [rip + kernel_root]
    mov [rip + processor + CPU_ROOT], rax
    pv_batch_begin
    mov edi, IMAGE_PHYSICAL
    mov rdx, XEN_TEXT_PAGE
    lea r8, [rip + kernel_end]
    call .protect_until
    mov rdx, XEN_DATA_PAGE
    lea r8, [rip + kernel_data_end]
    call .protect_until
    pv_batch_end
    pv_flush_tlb rax
    ret
.protect_until:                     # frames from physical RDI up to linear address R8 get flags RDX
    mov rax, KERNEL_BASE
    sub r8, rax
.next:
    mov rax, KERNEL_BASE
    add rax, rdi
    lea rcx, [rip + xen_shared_info]
    cmp rax, rcx                    # Xen's page, and a page table already
    je .leave_alone
    lea rcx, [rip + xen_direct_pointers]
    cmp rax, rcx
    je .leave_alone
    call xen_protect_frame
.leave_alone:
    add rdi, PAGE
    cmp rdi, r8
    jb .next
    ret

# -> RAX = physical address of a zeroed frame that has become a page table
allocate_table:
    call allocate_zeroed_frame
    pv_table_created rax
    ret

# RDI = physical address of a page table that nothing points to any more
release_table:
    pv_table_released rdi
    jmp release_frame

# The physical frame on the stack becomes read-only, or writable again.
xen_make_read_only:
    XEN_SAVE
    mov rdi, [rsp + XEN_SAVED + 8]
    mov rdx, XEN_TABLE_PAGE
    call xen_protect_frame
    XEN_RESTORE
    ret 8
xen_make_writable:                  # at once: the kernel is about to write to it
    XEN_SAVE
    mov rdi, [rsp + XEN_SAVED + 8]
    mov rdx, XEN_DATA_PAGE
    call xen_protect_frame
    call xen_flush_queue
    XEN_RESTORE
    ret 8

# Gives physical frame RDI flags RDX in the direct map. Keeps RDI, RDX, R8.
xen_protect_frame:
    push rdi
    push rdx
    mov rsi, rdi
    shr rsi, 12
    mov rax, [rip + xen_frames]
    mov rsi, [rax + rsi*8]
    shl rsi, 12
    or rsi, rdx
    mov rax, [rip + xen_directory]
    mov rcx, rdi
    shr rcx, 21
    mov rcx, [rax + rcx*8]
    mov rax, ENTRY_ADDRESS
    and rcx, rax
    shr rdi, 12
    and edi, ENTRIES - 1
    lea rdi, [rcx + rdi*8]
    call xen_enqueue
    call xen_issue
    pop rdx
    pop rdi
    ret

xen_flush_tlb:
    XEN_SAVE
    mov edi, MMUEXT_TLB_FLUSH_LOCAL
    xor esi, esi
    call xen_add_operation
    call xen_issue_operations
    XEN_RESTORE
    ret

xen_flush_page:                     # of the address on the stack
    XEN_SAVE
    mov edi, MMUEXT_INVLPG_LOCAL
    mov rsi, [rsp + XEN_SAVED + 8]
    call xen_add_operation
    call xen_issue_operations
    XEN_RESTORE
    ret 8

@kernel_data
.align 8
kernel_root: .quad 0                # physical address of the PML4 without a lower half
xen_directory: .quad 0              # pointer to the page directory of all memory
.align PAGE
xen_direct_pointers:                # PDPT of the direct map
    .zero PAGE
