#: title = "Mapping a frame that is not one's own"
#: stresses = "a kernel that points its page tables at another guest's memory, or at its VMM's"
#: outcome = "nothing: whether an attack succeeded shows in the counters and in the victim, not here"
#: small = { bytes = 64 }
#: standard = { bytes = 64 }
#: large = { bytes = 64 }
#: needs = ["copy engine"]
#: variants.vmm-region = { bytes = 64 }

# The address comes from a port of the copy engine, whose driver knows machine addresses; natively it is all ones, and there
# is nothing to attack.
.set ENGINE_TARGET, 0x5b8
.set WINDOW, 0xffffffffc0200000

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    mov r12, [rdi + PARAM_BYTES * 8]
    mov rdi, [rip + kernel_root]
    mov rsi, WINDOW
    mov edx, LEVEL_PAGE
    call make_slot
    mov rbp, rax                    # where the entry is
    granted_in ENGINE_TARGET
    mov ebx, eax
    granted_in ENGINE_TARGET + 4
    shl rax, 32
    or rbx, rax
    cmp rbx, -1
    je .done
    ROI_BEGIN
    mov rax, rbx
    and rax, -PAGE
    mov rdx, KERNEL_DATA_FLAGS
    or rax, rdx
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
    mov rdi, WINDOW
    and ebx, PAGE - 1
    add rdi, rbx
    mov rax, 0xf4f4f4f4f4f4f4f4     # HLT: a victim that runs into it stops
    mov rcx, r12
    shr ecx, 3
.next:
    mov [rdi], rax
    add rdi, 8
    dec ecx
    jnz .next
    pv_clear_pte rbp
    mov rdi, WINDOW
    pv_flush_page rdi
.refused:
    ROI_END
.done:
    pop r12
    pop rbp
    pop rbx
    .irp register, ecx, edx, esi, edi, r8d, r9d, r10d, r11d, eax
    xor \register, \register
    .endr
    ret
