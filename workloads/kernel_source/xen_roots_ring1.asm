# Roots of address spaces for a kernel at CPL 1 (PV_DIRECT): its programs share them, for the pages' user bit keeps
# them out of the kernel's half.

@kernel
# The physical frame on the stack, zeroes but for the kernel's half, becomes a root.
xen_root_created:
    XEN_SAVE
    mov rdi, [rsp + XEN_SAVED + 8]
    pv_batch_begin
    mov rdx, XEN_TABLE_PAGE
    call xen_protect_frame
    mov rsi, [rsp + XEN_SAVED + 8]
    mov edi, MMUEXT_PIN_L4_TABLE
    call xen_add_frame_operation
    call xen_issue_operations
    pv_batch_end
    XEN_RESTORE
    ret 8

# The physical frame on the stack is a root no more.
xen_root_released:
    XEN_SAVE
    mov rsi, [rsp + XEN_SAVED + 8]
    mov edi, MMUEXT_UNPIN_TABLE
    call xen_add_frame_operation
    call xen_call_operations
    pv_batch_begin
    mov rdi, [rsp + XEN_SAVED + 8]
    mov rdx, XEN_DATA_PAGE
    call xen_protect_frame
    pv_batch_end
    XEN_RESTORE
    ret 8

# The root on the stack is the address space from now on.
xen_switch_root:
    XEN_SAVE
    mov rsi, [rsp + XEN_SAVED + 8]
    mov edi, MMUEXT_NEW_BASEPTR
    call xen_add_frame_operation
    call xen_issue_operations
    XEN_RESTORE
    ret 8
