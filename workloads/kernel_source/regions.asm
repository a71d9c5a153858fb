# Regions: what a process may find at which user addresses (Linux: virtual memory areas).
#
# A process has up to REGIONS of them, ordered by address, in an array that ends with an entry of end 0.

@kernel
# RDI = process, RSI = address -> RAX = the first region that ends behind the address; 0 if there is none
find_region:
    lea rax, [rdi + PROCESS_REGIONS]
.next:
    mov rcx, [rax + REGION_END]
    test rcx, rcx
    jz .none
    cmp rsi, rcx
    jb .found
    add rax, REGION_BYTES
    jmp .next
.none:
    xor eax, eax
.found:
    ret

# RDI = process, RSI = start, RDX = end, ECX = flags -> RAX = 0, or -ENOMEM if the array is full. The range
# must be free.
insert_region:
    lea r8, [rdi + PROCESS_REGIONS]
    lea r9, [r8 + REGIONS * REGION_BYTES]
    cmp qword ptr [r9 - REGION_BYTES + REGION_END], 0
    jne .full
    lea r9, [r9 - REGION_BYTES]
.shift:                             # from the array's end down, regions behind the new one move up
    cmp r9, r8
    je .place
    lea r10, [r9 - REGION_BYTES]
    cmp qword ptr [r10 + REGION_END], 0
    je .down
    cmp [r10 + REGION_START], rsi
    jb .place
    .irp field, REGION_START, REGION_END, REGION_FLAGS
    mov rax, [r10 + \field]
    mov [r9 + \field], rax
    .endr
.down:
    mov r9, r10
    jmp .shift
.place:
    mov [r9 + REGION_START], rsi
    mov [r9 + REGION_END], rdx
    mov [r9 + REGION_FLAGS], rcx
    xor eax, eax
    ret
.full:
    mov rax, -ENOMEM
    ret

# RDI = region: removes it; those behind it move down.
remove_region:
    .irp field, REGION_START, REGION_END, REGION_FLAGS
    mov rax, [rdi + REGION_BYTES + \field]
    mov [rdi + \field], rax
    .endr
    cmp qword ptr [rdi + REGION_END], 0
    lea rdi, [rdi + REGION_BYTES]
    jne remove_region
    ret

# RDI = process, RSI = address: if the address lies within a region, makes two of it. -> RAX = 0 or -ENOMEM
split_region:
    call find_region
    test rax, rax
    jz .nothing
    cmp [rax + REGION_START], rsi
    jae .nothing
    push rax
    push qword ptr [rax + REGION_END]
    mov rdx, [rax + REGION_END]
    mov rcx, [rax + REGION_FLAGS]
    mov [rax + REGION_END], rsi
    call insert_region
    pop rdx
    pop rcx
    test rax, rax
    jz .done
    mov [rcx + REGION_END], rdx     # no room: as it was
.done:
    ret
.nothing:
    xor eax, eax
    ret

# RDI = process, RSI = length, RDX = alignment -> RAX = the lowest free range of the mmap area
find_gap:
    mov rax, MMAP_START
    lea rcx, [rdi + PROCESS_REGIONS]
.next:
    mov r8, [rcx + REGION_END]
    test r8, r8
    jz .found
    cmp r8, rax
    jbe .behind
    lea r9, [rax + rsi]
    cmp r9, [rcx + REGION_START]
    jbe .found
    lea rax, [r8 + rdx - 1]
    neg rdx
    and rax, rdx
    neg rdx
.behind:
    add rcx, REGION_BYTES
    jmp .next
.found:
    ret

# RDI = process, RSI = start, RDX = end: unmaps the regions in this range, which begins and ends with regions.
# -> RAX = number of pages that were there. The TLB is the caller's.
unmap_regions:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    mov rbx, rdi
    mov r12, rsi
    mov r13, rdx
    xor r14d, r14d
    pv_batch_begin
.next:
    mov rdi, rbx
    mov rsi, r12
    call find_region
    test rax, rax
    jz .done
    mov rbp, rax
    cmp [rbp + REGION_START], r13
    jae .done
    mov rdi, [rbx + PROCESS_ROOT]
    mov rsi, [rbp + REGION_START]
    mov rdx, [rbp + REGION_END]
    lea rcx, [rip + remove_page]
    call each_page
    add r14, rax
    push qword ptr [rbp + REGION_START]
    push qword ptr [rbp + REGION_END]
    mov rdi, rbp
    call remove_region
    xor ecx, ecx                    # tables may go up to the neighbours' ends
    lea rax, [rbx + PROCESS_REGIONS]
    cmp rbp, rax
    je .no_neighbour_below
    mov rcx, [rbp - REGION_BYTES + REGION_END]
.no_neighbour_below:
    mov r8, USER_END
    cmp qword ptr [rbp + REGION_END], 0
    je .no_neighbour_above
    mov r8, [rbp + REGION_START]
.no_neighbour_above:
    pop rdx
    pop rsi
    mov rdi, [rbx + PROCESS_ROOT]
    call release_tables
    jmp .next
.done:
    pv_batch_end
    mov rax, r14
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
