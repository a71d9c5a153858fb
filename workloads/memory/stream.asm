#: title = "STREAM: copy, scale, add, triad"
#: stresses = "sequential loads and stores over three arrays larger than the first-level TLB reaches"
#: outcome = "results 0-2 are the sums of the arrays a, b and c, as integers"
#: small = { elements = 16384, repeats = 1 }
#: standard = { elements = 65536, repeats = 3 }
#: large = { elements = 262144, repeats = 4 }

@user
# The four kernels of McCalpin's STREAM on arrays of doubles, two elements per SSE2 register. a starts
# as 1, 2, 3, ..., n; one repeat multiplies it by 15, so all sums stay exact.
#
# One kernel: register destination[i] = what `body` leaves in xmm0; rcx is the byte offset of i.
.macro KERNEL name, body
    xor ecx, ecx
\name:
    \body
    add rcx, 32
    cmp rcx, r12
    jb \name
.endm
.macro COPY                         # c = a
    movapd xmm0, [rbx + rcx]
    movapd xmm1, [rbx + rcx + 16]
    movapd [r14 + rcx], xmm0
    movapd [r14 + rcx + 16], xmm1
.endm
.macro SCALE                        # b = 3 * c
    movapd xmm0, [r14 + rcx]
    movapd xmm1, [r14 + rcx + 16]
    mulpd xmm0, xmm7
    mulpd xmm1, xmm7
    movapd [rbp + rcx], xmm0
    movapd [rbp + rcx + 16], xmm1
.endm
.macro ADD                          # c = a + b
    movapd xmm0, [rbx + rcx]
    movapd xmm1, [rbx + rcx + 16]
    addpd xmm0, [rbp + rcx]
    addpd xmm1, [rbp + rcx + 16]
    movapd [r14 + rcx], xmm0
    movapd [r14 + rcx + 16], xmm1
.endm
.macro TRIAD                        # a = b + 3 * c
    movapd xmm0, [r14 + rcx]
    movapd xmm1, [r14 + rcx + 16]
    mulpd xmm0, xmm7
    mulpd xmm1, xmm7
    addpd xmm0, [rbp + rcx]
    addpd xmm1, [rbp + rcx + 16]
    movapd [rbx + rcx], xmm0
    movapd [rbx + rcx + 16], xmm1
.endm

user_main:
    mov r12, PARAM_ELEMENTS
    mov r12, [rdi + r12*8]
    shl r12, 3                      # bytes of an array
    mov r13, PARAM_REPEATS
    mov r13, [rdi + r13*8]
    lea rdi, [r12 + r12*2]
    mov eax, SYS_MMAP
    mov esi, MMAP_POPULATE
    syscall
    mov rbx, rax                    # a
    lea rbp, [rbx + r12]            # b
    lea r14, [rbp + r12]            # c

    xor ecx, ecx
fill_next:
    lea rax, [rcx + 8]
    shr rax, 3
    cvtsi2sd xmm0, rax
    movsd [rbx + rcx], xmm0
    add rcx, 8
    cmp rcx, r12
    jb fill_next
    mov eax, 3
    cvtsi2sd xmm7, rax
    unpcklpd xmm7, xmm7

    ROI_BEGIN
repeat_kernels:
    KERNEL copy_next, COPY
    KERNEL scale_next, SCALE
    KERNEL add_next, ADD
    KERNEL triad_next, TRIAD
    dec r13
    jnz repeat_kernels
    ROI_END

    xor r13d, r13d                  # array to sum up
sum_array:
    xor ecx, ecx
    xorpd xmm0, xmm0
sum_next:
    addpd xmm0, [rbx + rcx]
    add rcx, 16
    cmp rcx, r12
    jb sum_next
    movapd xmm1, xmm0
    unpckhpd xmm1, xmm1
    addsd xmm0, xmm1
    cvttsd2si rsi, xmm0
    mov eax, SYS_SET_RESULT
    mov edi, r13d
    syscall
    add rbx, r12
    inc r13d
    cmp r13d, 3
    jb sum_array
    mov eax, SYS_EXIT
    xor edi, edi
    syscall
