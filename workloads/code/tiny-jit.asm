#: title = "A tiny just-in-time compiler"
#: stresses = "code generated, run a few times and generated again at the same place"
#: outcome = "result 0 is the sum of what the generated functions returned, result 1 the number of functions"
#: small = { iterations = 500 }
#: standard = { iterations = 5000 }
#: large = { iterations = 50000 }

# For n = 1 to the number of iterations: compile f(x) = n (x + n), then add f(1), f(2) and f(3) to the result. The
# functions stand one behind another in a page, which is used again from its start when it is full.

.set WINDOW, 0xffffffffc0200000
.set CODE_FLAGS, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_GLOBAL
.set FUNCTION_BYTES, 16

@kernel
workload_main:
    .irp register, rbx, rbp, r12, r13
    push \register
    .endr
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
    xor r12d, r12d                  # sum
    xor r13d, r13d                  # n
    ROI_BEGIN
.next:
    inc r13d
    call compile
    .irp argument, 1, 2, 3
    mov edi, \argument
    call rbp
    add r12, rax
    .endr
    add rbp, FUNCTION_BYTES
    test ebp, PAGE - 1
    jnz .fits
    sub rbp, PAGE
.fits:
    cmp r13, rbx
    jb .next
    ROI_END
    mov [rip + result], r12
    mov [rip + result + 8], r13
    xor eax, eax
    .irp register, r13, r12, rbp, rbx
    pop \register
    .endr
    ret

# Writes LEA EAX, [RDI + n]; IMUL EAX, EAX, n; RET at RBP; n = R13D.
compile:
    mov word ptr [rbp], 0x878d
    mov dword ptr [rbp + 2], r13d
    mov word ptr [rbp + 6], 0xc069
    mov dword ptr [rbp + 8], r13d
    mov byte ptr [rbp + 12], 0xc3
    ret
