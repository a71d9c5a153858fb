# Changes of page tables as hypercalls, one by one or collected.
#
# Changes of entries wait in a queue. Inside a batch (pv_batch_begin ... pv_batch_end) they go to Xen together,
# in one mmu_update; before a change of the address space or a TLB flush the queue goes along in the same
# multicall. Without batching, for comparison, every change is a hypercall of its own.

.set XEN_QUEUE, 64
.set UPDATE_BYTES, 16               # machine address, value
.set OPERATION_BYTES, 24            # command, two arguments
.set CALL_BYTES, 64                 # number, result, six arguments

@kernel
# Stack: pointer to an entry of a page table (level 1), its new value; both are taken off.
xen_set_entry:
    XEN_SAVE
    mov rdi, [rsp + XEN_SAVED + 8]
    mov rsi, [rsp + XEN_SAVED + 16]
    call xen_machine_address
    call xen_enqueue
    call xen_issue
    XEN_RESTORE
    ret 16

# The same for entries that point to tables. One in a root goes to the root of user mode as well. New ones are
# read again soon, so they never wait; a cleared one may, until its table's frame is released.
xen_set_table_entry:
    XEN_SAVE
    mov rdi, [rsp + XEN_SAVED + 8]
    mov rsi, [rsp + XEN_SAVED + 16]
    call xen_machine_address
    call xen_enqueue
.ifndef PV_DIRECT
    mov rdi, [rsp + XEN_SAVED + 8]
    mov rcx, DIRECT_MAP
    sub rdi, rcx
    mov r8, rdi
    and rdi, -PAGE
    call xen_find_root
    test rcx, rcx
    jz .no_root
    and r8d, PAGE - 1
    mov rdi, [rcx + 8]
    or rdi, r8
    mov rcx, DIRECT_MAP
    add rdi, rcx
    mov rsi, [rsp + XEN_SAVED + 16]
    call xen_machine_address
    call xen_enqueue
.no_root:
.endif
    cmp qword ptr [rsp + XEN_SAVED + 16], 0
    jne .at_once
    call xen_issue
    jmp .done
.at_once:
    call xen_flush_queue
.done:
    XEN_RESTORE
    ret 16

# RDI = pointer in the direct map or at KERNEL_BASE -> RDI = machine address
xen_machine_address:
    mov rcx, KERNEL_BASE
    cmp rdi, rcx
    jae .base_known
    mov rcx, DIRECT_MAP
.base_known:
    sub rdi, rcx
    mov rax, rdi
    shr rax, 12
    mov rcx, [rip + xen_frames]
    mov rax, [rcx + rax*8]
    shl rax, 12
    and edi, PAGE - 1
    or rdi, rax
    ret

# Stack: an entry's value, changed in place: from what the kernel takes for physical to machine frames ...
xen_to_machine:
    push rax
    push rcx
    push rdx
    mov rax, [rsp + 32]
    mov rdx, ENTRY_ADDRESS
    mov rcx, rax
    and rcx, rdx
    xor rax, rcx
    shr rcx, 12
    mov rdx, [rip + xen_frames]
    mov rcx, [rdx + rcx*8]
    shl rcx, 12
    or rax, rcx
    mov [rsp + 32], rax
    pop rdx
    pop rcx
    pop rax
    ret
# ... and back
xen_to_physical:
    push rax
    push rcx
    push rdx
    mov rax, [rsp + 32]
    mov rdx, ENTRY_ADDRESS
    mov rcx, rax
    and rcx, rdx
    xor rax, rcx
    shr rcx, 12
    mov rdx, MACHINE_TO_PHYSICAL
    mov rcx, [rdx + rcx*8]
    shl rcx, 12
    or rax, rcx
    mov [rsp + 32], rax
    pop rdx
    pop rcx
    pop rax
    ret

xen_batch_begin:
    push rax
    movzx eax, byte ptr [rip + xen_batching]
    add [rip + xen_batches], eax
    pop rax
    ret
xen_batch_end:
    XEN_SAVE
    movzx eax, byte ptr [rip + xen_batching]
    sub [rip + xen_batches], eax
    call xen_issue
    XEN_RESTORE
    ret

# RDI = machine address of an entry, RSI = value: to the queue.
xen_enqueue:
    cmp dword ptr [rip + xen_queued], XEN_QUEUE
    jb .room
    push rdi
    push rsi
    call xen_flush_queue
    pop rsi
    pop rdi
.room:
    mov eax, [rip + xen_queued]
    inc dword ptr [rip + xen_queued]
    shl eax, 4
    lea rcx, [rip + xen_queue]
    mov [rcx + rax], rdi
    mov [rcx + rax + 8], rsi
    cmp byte ptr [rip + xen_batching], 0
    je xen_flush_queue
    ret

# Outside of a batch nothing waits.
xen_issue:
    cmp dword ptr [rip + xen_batches], 0
    je xen_flush_queue
    ret

xen_flush_queue:
    call xen_call_queue
    jmp xen_call_all

# EDI = command, RSI = physical frame: one of mmuext_op's operations.
xen_add_frame_operation:
    shr rsi, 12
    mov rax, [rip + xen_frames]
    mov rsi, [rax + rsi*8]
# The same with RSI = its first argument
xen_add_operation:
    mov eax, [rip + xen_operation_count]
    inc dword ptr [rip + xen_operation_count]
    imul eax, eax, OPERATION_BYTES
    lea rcx, [rip + xen_operations]
    mov [rcx + rax], edi
    mov [rcx + rax + 8], rsi
    cmp byte ptr [rip + xen_batching], 0
    je xen_issue_operations
    ret

# What is in the queue, then the operations
xen_issue_operations:
    call xen_call_queue
    call xen_call_operations
    jmp xen_call_all

xen_call_operations:
    mov edx, [rip + xen_operation_count]
    test edx, edx
    jz .none
    mov dword ptr [rip + xen_operation_count], 0
    mov eax, XEN_MMUEXT_OP
    lea rdi, [rip + xen_operations]
    jmp xen_add_call
.none:
    ret

xen_call_queue:
    mov edx, [rip + xen_queued]
    test edx, edx
    jz .none
    mov dword ptr [rip + xen_queued], 0
    mov eax, XEN_MMU_UPDATE
    lea rdi, [rip + xen_queue]
    jmp xen_add_call
.none:
    ret

# EAX = hypercall, RDI, RDX = its first two arguments (requests, how many): it is made with the next ones.
xen_add_call:
    mov ecx, [rip + xen_call_count]
    inc dword ptr [rip + xen_call_count]
    shl ecx, 6
    lea rsi, [rip + xen_calls]
    add rsi, rcx
    mov [rsi], rax
    mov [rsi + 16], rdi
    mov [rsi + 24], rdx
    mov qword ptr [rsi + 32], 0
    mov qword ptr [rsi + 40], DOMID_SELF
    ret

# One call is made as it is, several as a multicall. None of them may fail: the kernel knows Xen's rules.
xen_call_all:
    mov esi, [rip + xen_call_count]
    mov dword ptr [rip + xen_call_count], 0
    lea rdi, [rip + xen_calls]
    cmp esi, 1
    jb .done
    je .single
    HYPERCALL XEN_MULTICALL
    xor eax, eax
.next_result:
    or rax, [rdi + 8]
    add rdi, CALL_BYTES
    dec esi
    jnz .next_result
    jmp .check
.single:
    mov rax, [rdi]
    mov rsi, [rdi + 24]
    mov rdx, [rdi + 32]
    mov r10, [rdi + 40]
    mov rdi, [rdi + 16]
    syscall
.check:
    test rax, rax
    jnz .refused
.done:
    ret
.refused:
    lea rdi, [rip + xen_refused_text]
    jmp panic

@kernel_data
.align 16
xen_queue:
    .zero XEN_QUEUE * UPDATE_BYTES
xen_operations:
    .zero 4 * OPERATION_BYTES
xen_calls:
    .zero 4 * CALL_BYTES
xen_queued: .long 0
xen_operation_count: .long 0
xen_call_count: .long 0
xen_batches: .long 0                # that have begun
xen_refused_text: .asciz "Xen refused a change of page tables"
