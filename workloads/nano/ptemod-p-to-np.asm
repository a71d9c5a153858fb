#: title = "Page-table entry made not present"
#: stresses = "stores to a live page table that take translations away"
#: outcome = "result 0 is the number of pages found gone, result 1 the number of rounds"
#: small = { iterations = 1024 }
#: standard = { iterations = 10240 }
#: large = { iterations = 102400 }

# Adams and Agesen (ASPLOS 2006), nanobenchmark "ptemod", from present to not present, over the 512 entries of one
# page table, eight at a time: pages are mapped and touched, then (measured) their entries cleared. The old
# translations may be in a TLB, so INVLPGs follow, which the paper's figure leaves out, too (natively it takes 4
# cycles, INVLPG hundreds; SDM vol. 3A, section 4.10.4.2). Then a load from each page must fault.

.set WINDOW, 0xffffffffc0200000
.set LOAD_BYTES, 2
.set GROUP, 8

@kernel
workload_main:
    .irp register, rbx, rbp, r12, r13, r14, r15
    push \register
    .endr
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    xor r13d, r13d                  # pages found gone
    xor r14d, r14d                  # rounds
    mov edi, VECTOR_PAGE_FAULT
    lea rsi, [rip + page_is_gone]
    call set_gate
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
.next_round:
    mov rsi, WINDOW
    xor ecx, ecx
.next_group:
    mov r15d, GROUP
.map:
    lea rdi, [rbp + rcx*8]
    pv_set_pte rdi, rbx
    mov eax, [rsi]
    add rsi, PAGE
    inc ecx
    dec r15d
    jnz .map

    sub ecx, GROUP
    mov r15d, GROUP
    ROI_BEGIN
.clear:
    lea rdi, [rbp + rcx*8]
    pv_clear_pte rdi
    inc ecx
    dec r15d
    jnz .clear
    ROI_END

    sub rsi, GROUP * PAGE
    mov r15d, GROUP
.check:
    pv_flush_page rsi
    .byte 0x8b, 0x06                # mov eax, [rsi]
    add rsi, PAGE
    dec r15d
    jnz .check
    cmp ecx, ENTRIES
    jb .next_group
    inc r14
    sub r12, ENTRIES
    ja .next_round

    mov [rip + result], r13
    mov [rip + result + 8], r14
    mov edi, VECTOR_PAGE_FAULT
    lea rsi, [rip + exception_stubs + (VECTOR_PAGE_FAULT << EXCEPTION_STUB_SHIFT)]
    call set_gate
    imul r14d, r14d, ENTRIES
    mov eax, r14d
    sub eax, r13d
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop \register
    .endr
    ret

page_is_gone:
    pv_trap_entry
    inc r13
    add qword ptr [rsp + 8], LOAD_BYTES
    add rsp, 8
    pv_interrupt_return
