#: title = "Self-modifying code"
#: stresses = "stores into code that runs right after; a binary translator must drop what it made of it"
#: outcome = "result 0 is the sum of the numbers 1 to n, each returned by a function whose constant was just overwritten"
#: small = { iterations = 1000 }
#: standard = { iterations = 10000 }
#: large = { iterations = 100000 }

# The function is MOV EAX, imm32; RET in a page that is both writable and executable.

.set WINDOW, 0xffffffffc0200000
.set CODE_FLAGS, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_GLOBAL

@kernel
workload_main:
    push rbx
    push rbp
    mov rbx, [rdi + PARAM_ITERATIONS * 8]
    call allocate_zeroed_frame
    pv_frame_to_entry rax
    or rax, CODE_FLAGS
    push rax
    mov rdi, [rip + kernel_root]
    mov rsi, WINDOW
    mov edx, LEVEL_PAGE
    call make_slot
    pop rcx
    pv_set_pte rax, rcx
    mov rbp, WINDOW
    mov byte ptr [rbp], 0xb8        # MOV EAX, imm32
    mov byte ptr [rbp + 5], 0xc3    # RET
    xor r8d, r8d
    xor ecx, ecx
    ROI_BEGIN
.next:
    inc ecx
    mov dword ptr [rbp + 1], ecx
    call rbp
    add r8, rax
    cmp rcx, rbx
    jb .next
    ROI_END
    mov [rip + result], r8
    lea rax, [rbx + 1]              # n (n + 1) / 2
    imul rax, rbx
    shr rax, 1
    sub rax, r8
    pop rbp
    pop rbx
    ret
