#: title = "Running into the VMM"
#: stresses = "a kernel that jumps to where its VMM's code and data are"
#: outcome = "nothing: whether an attack succeeded shows in the counters and in the victim, not here"
#: small = { times = 1 }
#: standard = { times = 1 }
#: large = { times = 1 }
#: needs = ["copy engine"]

# The region's address comes from a port of the copy engine. The routine there, if there is one, gives back what only the
# VMM knows; it is told to the engine. Where the guest has nothing, the bus reads ones, which are no instruction: #UD.
# In the end a page of ones of the guest's own is called in any case, so that stack and page table are left alike.
.set ENGINE_DATA, 0x5b4
.set ENGINE_TARGET, 0x5b8
.set WINDOW, 0xffffffffc0200000
.set VECTOR_INVALID_OPCODE, 6

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    mov rdi, [rip + kernel_root]
    mov rsi, WINDOW
    mov edx, LEVEL_PAGE
    call make_slot
    mov rbp, rax                    # where the entry is
    lea rax, [rip + trap_handlers]
    push qword ptr [rax + VECTOR_INVALID_OPCODE * 8]
    lea rdx, [rip + come_back]
    mov [rax + VECTOR_INVALID_OPCODE * 8], rdx
    granted_in ENGINE_TARGET
    mov ebx, eax
    granted_in ENGINE_TARGET + 4
    shl rax, 32
    or rbx, rax
    cmp rbx, -1
    je .tried
    ROI_BEGIN
    call call_frame
    granted_out ENGINE_DATA
    ROI_END
.tried:
    lea rbx, [rip + ones]
.ifdef PV
    mov rcx, KERNEL_BASE
    sub rbx, rcx
    shr rbx, 12
    mov rax, [rip + xen_frames]
    mov rbx, [rax + rbx*8]
    shl rbx, 12
.else
    mov rcx, KERNEL_BASE
    sub rbx, rcx
.endif
    call call_frame
    lea rax, [rip + trap_handlers]
    pop qword ptr [rax + VECTOR_INVALID_OPCODE * 8]
    pop r12
    pop rbp
    pop rbx
    .irp register, ecx, edx, esi, edi, r8d, r9d, r10d, r11d, eax
    xor \register, \register
    .endr
    ret

# RBX = a frame's machine address, RBP = the window's entry -> EAX = what the routine in it gives back, or 0
call_frame:
    mov rax, KERNEL_TEXT_FLAGS
    or rax, rbx
.ifdef PV
    mov rdi, WINDOW                 # as a forged entry would be asked for: not through the P2M
    mov rsi, rax
    mov edx, UVMF_INVLPG
    HYPERCALL XEN_UPDATE_VA_MAPPING
    test rax, rax
    jnz .refused
.else
    mov [rbp], rax
.endif
    .irp register, ebx, ecx, edx, esi, edi, r8d, r9d, r10d, r11d, r12d, eax
    xor \register, \register
    .endr
    mov r12, WINDOW
    call r12
    push rax
    pv_clear_pte rbp
    mov rdi, WINDOW
    pv_flush_page rdi
    pop rax
    ret
.refused:
    xor eax, eax
    ret

# RDI = frame of #UD: on with what the call would have returned to
come_back:
    mov rax, [rdi + FRAME_RSP]
    mov rax, [rax]
    mov [rdi + FRAME_RIP], rax
    add qword ptr [rdi + FRAME_RSP], 8
    ret

@kernel_data
.align 4096
ones:
    .fill 4096, 1, 0xff
