# The kernel's own page tables (SDM vol. 3A, section 4.5: four levels of 512 entries).
#
# A table's frame is reached through the direct map, which the first routine opens on the loader's tables by
# sharing the identity map's PDPT. The final tables have no identity map:
#
#   PML4[272] -> PDPT -> PD       the direct map, 2 MiB pages: writable, never executable, global
#   PML4[511] -> PDPT[510] -> PD -> PT   the image, 4 KiB pages: text read-only, data not executable
#                PDPT[511] -> PD -> PT   the local APIC
#
# Every process's PML4 has these two entries; the tables below them are shared.

.set DIRECT_MAP_INDEX, (DIRECT_MAP >> 39) & 511
.set IMAGE_INDEX, 511
.set LOWER_DIRECTORY, 510           # PDPT entry of KERNEL_BASE
.set UPPER_DIRECTORY, 511           # of LOCAL_APIC

@kernel
open_direct_map:
    mov rax, KERNEL_BASE + BOOT_PML4
    mov rcx, [rax]
    lea rax, [rax + DIRECT_MAP_INDEX * 8]
    pv_set_table_entry rax, rcx
    ret

build_kernel_tables:
    call allocate_table
    mov [rip + kernel_root], rax
    call build_direct_map
    call build_image_map
    call build_local_apic_map
    mov rax, [rip + kernel_root]
    pv_root_created rax
    mov [rip + processor + CPU_ROOT], rax
    pv_switch_root rax
    ret

build_direct_map:
    push rbx
    call allocate_table             # PDPT
    mov rbx, rax
    mov rdi, [rip + kernel_root]
    mov esi, DIRECT_MAP_INDEX
    call attach_table
    call allocate_table             # page directory: up to 1 GiB of RAM
    mov rdi, rbx
    mov rbx, rax
    xor esi, esi
    call attach_table
    mov rax, DIRECT_MAP
    add rbx, rax
    mov rcx, KERNEL_DATA_FLAGS | ENTRY_LARGE
    xor edx, edx
.next:
    lea rax, [rcx + rdx]
    pv_set_pmd rbx, rax
    add rbx, 8
    add rdx, LARGE_PAGE
    cmp rdx, [rip + ram_bytes]
    jb .next
    pop rbx
    ret

build_image_map:
    push rbx
    push rbp
    call allocate_table             # PDPT
    mov [rip + image_directory_pointers], rax
    mov rdi, [rip + kernel_root]
    mov esi, IMAGE_INDEX
    call attach_table
    mov esi, LOWER_DIRECTORY
    call attach_new_branch
    mov rbx, rax                    # pointer to the page table
    add rbx, (IMAGE_PHYSICAL / PAGE) * 8
    mov rdx, IMAGE_PHYSICAL
    mov rbp, KERNEL_TEXT_FLAGS
    lea rsi, [rip + kernel_end]
    call .map_until
    mov rbp, KERNEL_DATA_FLAGS
    lea rsi, [rip + kernel_data_end]
    call .map_until
    pop rbp
    pop rbx
    ret
.map_until:                         # pages from physical RDX with flags RBP up to linear address RSI
    mov rax, KERNEL_BASE
    sub rsi, rax
.next:
    mov rax, rdx
    or rax, rbp
    pv_set_pte rbx, rax
    add rbx, 8
    add rdx, PAGE
    cmp rdx, rsi
    jb .next
    ret

build_local_apic_map:
    mov esi, UPPER_DIRECTORY
    call attach_new_branch
.ifdef HAS_DEVICES
    mov [rip + device_window_table], rax
.endif
    mov rcx, LOCAL_APIC_PHYSICAL | KERNEL_DATA_FLAGS | ENTRY_CACHE_DISABLE | ENTRY_WRITE_THROUGH
    pv_set_pte rax, rcx
    ret

# Page directory and page table below entry ESI of the image's PDPT -> RAX = pointer to the page table.
attach_new_branch:
    push rbx
    push rsi
    call allocate_table
    mov rbx, rax
    pop rsi
    mov rdi, [rip + image_directory_pointers]
    call attach_table
    call allocate_table
    mov rdi, rbx
    xor esi, esi
    mov rbx, rax
    call attach_table
    mov rax, DIRECT_MAP
    add rax, rbx
    pop rbx
    ret

# Lets entry ESI of the table at physical RDI point to the table at physical RAX.
attach_table:
    or rax, TABLE_FLAGS
    mov rcx, DIRECT_MAP
    add rdi, rcx
    lea rdi, [rdi + rsi*8]
    pv_set_table_entry rdi, rax
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

@kernel_data
.align 8
kernel_root: .quad 0                # physical address of the PML4 without a lower half
image_directory_pointers: .quad 0
