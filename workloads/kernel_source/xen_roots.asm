# Roots of address spaces for a kernel at CPL 3: each has a second one, without the kernel's half, for user mode.

.set XEN_ROOTS, 64

@kernel
# The physical frame on the stack, zeroes but for the kernel's half, becomes a root. Its user mode gets another.
xen_root_created:
    XEN_SAVE
    call allocate_zeroed_frame
    xor edi, edi
    call xen_find_root              # a free place
    mov rdi, [rsp + XEN_SAVED + 8]
    mov [rcx], rdi
    mov [rcx + 8], rax
    push rax
    pv_batch_begin
    mov rdx, XEN_TABLE_PAGE
    call xen_protect_frame
    mov rdi, [rsp]
    call xen_protect_frame
    mov rsi, [rsp + XEN_SAVED + 16]
    mov edi, MMUEXT_PIN_L4_TABLE
    call xen_add_frame_operation
    pop rsi
    mov edi, MMUEXT_PIN_L4_TABLE
    call xen_add_frame_operation
    call xen_issue_operations
    pv_batch_end
    XEN_RESTORE
    ret 8

# The physical frame on the stack is a root no more.
xen_root_released:
    XEN_SAVE
    mov rdi, [rsp + XEN_SAVED + 8]
    call xen_find_root
    push qword ptr [rcx + 8]
    mov qword ptr [rcx], 0
    mov rsi, rdi
    mov edi, MMUEXT_UNPIN_TABLE
    call xen_add_frame_operation
    mov rsi, [rsp]
    mov edi, MMUEXT_UNPIN_TABLE
    call xen_add_frame_operation
    call xen_call_operations
    pv_batch_begin
    mov rdi, [rsp + XEN_SAVED + 16]
    mov rdx, XEN_DATA_PAGE
    call xen_protect_frame
    mov rdi, [rsp]
    call xen_protect_frame
    pv_batch_end
    pop rdi
    call release_frame
    XEN_RESTORE
    ret 8

# RDI = root, physical -> RCX = its record (root, user root), or 0
xen_find_root:
    lea rcx, [rip + xen_roots]
    lea rdx, [rcx + XEN_ROOTS * 16]
.next:
    cmp [rcx], rdi
    je .found
    add rcx, 16
    cmp rcx, rdx
    jb .next
    xor ecx, ecx
.found:
    ret

# The root on the stack is the address space from now on; the kernel's own has no user mode.
xen_switch_root:
    XEN_SAVE
    mov rdi, [rsp + XEN_SAVED + 8]
    call xen_find_root
    xor edx, edx
    test rcx, rcx
    jz .no_user_root
    mov rdx, [rcx + 8]
.no_user_root:
    push rdx
    mov rsi, rdi
    mov edi, MMUEXT_NEW_BASEPTR
    call xen_add_frame_operation
    pop rsi
    mov edi, MMUEXT_NEW_USER_BASEPTR
    test rsi, rsi
    jz .none
    call xen_add_frame_operation
    jmp .issue
.none:
    call xen_add_operation
.issue:
    call xen_issue_operations
    XEN_RESTORE
    ret 8

@kernel_data
.align 16
xen_roots:
    .zero XEN_ROOTS * 16
