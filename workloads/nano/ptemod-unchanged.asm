#: title = "Page-table entry written with the value it has"
#: stresses = "stores to a live page table that change nothing"
#: outcome = "result 0 is the number of entries of the window that still are what they were (512)"
#: small = { iterations = 2048 }
#: standard = { iterations = 20480 }
#: large = { iterations = 204800 }

# Adams and Agesen (ASPLOS 2006), nanobenchmark "ptemod": a native processor just stores; a VMM that shadows
# the guest's page tables has to see the store. All 512 pages of one page table are mapped (to one frame) and
# have been touched, so their translations are in every table that caches them. No INVLPG is needed.

.set WINDOW, 0xffffffffc0200000

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    call allocate_zeroed_frame
    pv_frame_to_entry rax
    mov rdx, KERNEL_DATA_FLAGS
    or rax, rdx
    mov rbx, rax                    # the entry
    mov rdi, [rip + kernel_root]
    mov rsi, WINDOW
    mov edx, LEVEL_PAGE
    call make_slot
    mov rbp, rax                    # the page table
    mov rsi, WINDOW
    xor ecx, ecx
.map:
    lea rdi, [rbp + rcx*8]
    pv_set_pte rdi, rbx
    mov rax, [rsi]
    add rsi, PAGE
    inc ecx
    cmp ecx, ENTRIES
    jb .map

.ifdef PV
    mov rbx, [rbp]                  # Xen adds bits of its own to what the kernel asks for
.endif
    xor ecx, ecx
    ROI_BEGIN
.next:
    lea rdi, [rbp + rcx*8]
    pv_set_pte rdi, rbx
    inc ecx
    and ecx, ENTRIES - 1
    dec r12
    jnz .next
    ROI_END

    xor eax, eax                    # entries that are as they were
    xor ecx, ecx
    or rbx, ENTRY_ACCESSED | ENTRY_DIRTY
.check:
    cmp [rbp + rcx*8], rbx
    sete dl
    movzx edx, dl
    add eax, edx
    inc ecx
    cmp ecx, ENTRIES
    jb .check
    mov [rip + result], rax
    sub eax, ENTRIES
    pop r12
    pop rbp
    pop rbx
    ret
