# mmap, munmap, mprotect: a process changes its regions, and the page tables follow.
#
# Mapping only notes the region (unless it is to be populated); pages come with the first touch. Taking pages
# or the right to write away changes entries and then makes the TLB forget, as INVLPG's and MOV CR3's rules
# want it (SDM vol. 3A, section 4.10.4). Giving a right back is left to the next write's fault.

@kernel
# mmap(length, flags) -> address
system_mmap:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    mov r12, rsi                    # flags
    mov edx, PAGE
    test r12b, MMAP_LARGE
    jz .alignment_known
.ifdef PV
    jmp .invalid                    # Xen lets its guests have 4 KiB pages only
.endif
    mov edx, LARGE_PAGE
.alignment_known:
    mov r14, rdx
    mov rax, USER_END - MMAP_START
    lea rcx, [rdi - 1]              # a length of 0 becomes too much
    cmp rcx, rax
    jae .invalid
    lea r13, [rdi + rdx - 1]        # whole pages
    neg rdx
    and r13, rdx
    neg rdx
    CURRENT rdi
    mov rsi, r13
    call find_gap
    mov rbx, rax
    lea rdx, [rax + r13]
    mov rax, USER_END
    cmp rdx, rax
    ja .no_room
    mov rsi, rbx
    call region_flags
    call insert_region
    test rax, rax
    jnz .done
    test r12b, MMAP_POPULATE
    jz .mapped
    mov rdi, rbx
    lea rsi, [rbx + r13]
    mov rdx, r14
    call populate
.mapped:
    mov rax, rbx
.done:
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
.invalid:
    mov rax, -EINVAL
    jmp .done
.no_room:
    mov rax, -ENOMEM
    jmp .done

# R12 = flags of mmap -> ECX = flags of the region
region_flags:
    mov ecx, REGION_WRITABLE
    test r12b, MMAP_READ_ONLY
    jz .writable
    xor ecx, ecx
.writable:
    test r12b, MMAP_LARGE
    jz .small
    or ecx, REGION_LARGE
.small:
    ret

# Gives the running process pages of RDX bytes from address RDI to RSI, which lie in one region.
populate:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    mov rbx, rdi
    mov rbp, rsi
    mov r12, rdx
    CURRENT r13
    mov rdi, r13
    mov rsi, rbx
    call find_region
    mov r14, rax
    pv_batch_begin
.next:
    mov rdi, r13
    mov rsi, r14
    mov rdx, rbx
    call give_page
    add rbx, r12
    cmp rbx, rbp
    jb .next
    pv_batch_end
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# munmap(address, length)
system_munmap:
    push rbx
    push rbp
    push r12
    CURRENT r12
    call take_range
    jc .done
    mov rdi, r12
    mov rsi, rbx
    mov rdx, rbp
    call unmap_regions
    test rax, rax
    jz .done                        # nothing was there
    mov rdi, rbx
    mov rsi, rbp
    call flush_range
    xor eax, eax
.done:
    pop r12
    pop rbp
    pop rbx
    ret

# mprotect(address, length, 0 or MMAP_READ_ONLY)
system_mprotect:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    mov r13, rdx
    xor r14d, r14d                  # pages that were there
    CURRENT r12
    call take_range
    jc .done
    push rbx
.next:
    mov rdi, r12
    mov rsi, rbx
    call find_region
    test rax, rax
    jz .changed
    cmp [rax + REGION_START], rbp
    jae .changed
    mov rbx, [rax + REGION_END]
    or qword ptr [rax + REGION_FLAGS], REGION_WRITABLE
    test r13b, MMAP_READ_ONLY
    jz .next
    and qword ptr [rax + REGION_FLAGS], ~REGION_WRITABLE
    mov rdi, [r12 + PROCESS_ROOT]
    mov rsi, [rax + REGION_START]
    mov rdx, rbx
    lea rcx, [rip + protect_page]
    pv_batch_begin
    call each_page
    pv_batch_end
    add r14, rax
    jmp .next
.changed:
    pop rdi
    test r14, r14
    jz .no_flush
    mov rsi, rbp
    call flush_range
.no_flush:
    xor eax, eax
.done:
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# Range of munmap and mprotect: RDI = address, RSI = length, R12 = process -> RBX, RBP = the range in whole
# pages, which now begins and ends with regions. CF and RAX = error if it cannot be so.
take_range:
    mov rbx, rdi
    test edi, PAGE - 1
    jnz .invalid
    mov rcx, USER_END               # neither may go beyond, so their sum cannot overflow
    cmp rdi, rcx
    jae .invalid
    lea rax, [rsi - 1]
    cmp rax, rcx
    jae .invalid
    lea rbp, [rdi + rsi + PAGE - 1]
    and rbp, -PAGE
    cmp rbp, rcx
    ja .invalid
    mov rsi, rbx
    call .split
    test rax, rax
    jnz .error
    mov rsi, rbp
    call .split
    test rax, rax
    jnz .error
    clc
    ret
.split:                             # at address RSI; a large page stays in one piece
    mov rdi, r12
    call find_region
    test rax, rax
    jz .nothing
    cmp [rax + REGION_START], rsi
    jae .nothing
    test byte ptr [rax + REGION_FLAGS], REGION_LARGE
    jz .divisible
    test esi, LARGE_PAGE - 1
    jnz .inside_large_page
.divisible:
    mov rdi, r12
    jmp split_region
.nothing:
    xor eax, eax
    ret
.inside_large_page:
    mov rax, -EINVAL
    ret
.invalid:
    mov rax, -EINVAL
.error:
    stc
    ret
