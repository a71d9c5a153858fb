#: title = "A code page remapped"
#: stresses = "a linear page of code that is mapped to one frame, then to another"
#: outcome = "result 0 is the sum of what the functions of the two frames returned in turn (3 and 5)"
#: small = { iterations = 500 }
#: standard = { iterations = 5000 }
#: large = { iterations = 50000 }

# Each frame holds MOV EAX, imm32; RET with a constant of its own. Neither is ever written after the beginning:
# only the page-table entry changes, followed by INVLPG.

.set WINDOW, 0xffffffffc0200000
.set CODE_FLAGS, ENTRY_PRESENT | ENTRY_ACCESSED | ENTRY_GLOBAL
.set FIRST, 3
.set SECOND, 5

@kernel
workload_main:
    .irp register, rbx, rbp, r12, r13, r14
    push \register
    .endr
    mov rbx, [rdi + PARAM_ITERATIONS * 8]
    mov edi, FIRST
    call frame_that_returns
    mov r12, rax                    # entry of the first frame
    mov edi, SECOND
    call frame_that_returns
    mov r13, rax                    # of the second
    mov rdi, [rip + kernel_root]
    mov rsi, WINDOW
    mov edx, LEVEL_PAGE
    call make_slot
    mov rbp, rax                    # where the entry is
    mov r14, WINDOW
    xor r8d, r8d
    mov rcx, rbx
    ROI_BEGIN
.next:
    pv_set_pte rbp, r12
    pv_flush_page r14
    call r14
    add r8, rax
    xchg r12, r13
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    imul rax, rbx, (FIRST + SECOND) / 2
    sub rax, r8
    .irp register, r14, r13, r12, rbp, rbx
    pop \register
    .endr
    ret

# EDI = constant -> RAX = page-table entry of a new frame with a function that returns it
frame_that_returns:
    push rdi
    call allocate_zeroed_frame
    pop rdi
    mov rcx, DIRECT_MAP
    mov byte ptr [rcx + rax], 0xb8
    mov dword ptr [rcx + rax + 1], edi
    mov byte ptr [rcx + rax + 5], 0xc3
    pv_frame_to_entry rax
    or rax, CODE_FLAGS
    ret
