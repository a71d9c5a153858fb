#: title = "Page-table entry made present"
#: stresses = "stores to a live page table that give translations"
#: outcome = "result 0 is the sum of the words loaded from the pages mapped (7 each), result 1 the number of rounds"
#: small = { iterations = 1024 }
#: standard = { iterations = 10240 }
#: large = { iterations = 102400 }

# Adams and Agesen (ASPLOS 2006), nanobenchmark "ptemod", from not present to present, over the 512 entries of one
# page table, eight at a time: entries are (measured) made present. No translation of a page that is not present is
# ever cached, so no INVLPG is needed (Intel SDM vol. 3A, section 4.10.4.3). A load from each page must then find
# the frame's content, and the pages are unmapped again.

.set WINDOW, 0xffffffffc0200000
.set CONTENT, 7
.set GROUP, 8

@kernel
workload_main:
    .irp register, rbx, rbp, r12, r13, r14, r15
    push \register
    .endr
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    xor r13d, r13d                  # sum of the words loaded
    xor r14d, r14d                  # rounds
    call allocate_zeroed_frame
    mov rcx, DIRECT_MAP
    mov qword ptr [rcx + rax], CONTENT
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
    ROI_BEGIN
.map:
    lea rdi, [rbp + rcx*8]
    pv_set_pte rdi, rbx
    inc ecx
    dec r15d
    jnz .map
    ROI_END

    sub ecx, GROUP
    mov r15d, GROUP
.unmap:
    add r13, [rsi]
    lea rdi, [rbp + rcx*8]
    pv_clear_pte rdi
    pv_flush_page rsi
    add rsi, PAGE
    inc ecx
    dec r15d
    jnz .unmap
    cmp ecx, ENTRIES
    jb .next_group
    inc r14
    sub r12, ENTRIES
    ja .next_round

    mov [rip + result], r13
    mov [rip + result + 8], r14
    imul r14d, r14d, ENTRIES * CONTENT
    mov eax, r14d
    sub eax, r13d
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop \register
    .endr
    ret
