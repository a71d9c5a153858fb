#: title = "Matrix product"
#: stresses = "integer (base) or SSE2 double (@double) arithmetic, sequential loads and stores"
#: outcome = "result 0 is the sum of (row * order + column + 1) * c[row][column]; the same number for both kinds"
#: small = { order = 32, double = 0, tick_period = 2000000 }
#: standard = { order = 70, double = 0, tick_period = 2000000 }
#: large = { order = 150, double = 0, tick_period = 2000000 }
#: variants = { "double" = { double = 1 } }

@user
# c = a * b for square matrices of an even order, in row-column-inner order i, k, j, so that the
# innermost loop runs along rows. a[i][k] = (3i + 5k) mod 16 and b[k][j] = (7k + j) mod 16: every
# sum is a small integer, exact as a double, so both kinds have the same result.
user_main:
    mov r12, PARAM_ORDER
    mov r12, [rdi + r12*8]
    mov r13, PARAM_DOUBLE
    mov r13, [rdi + r13*8]
    mov rbp, r12
    imul rbp, r12
    shl rbp, 3                      # bytes of a matrix
    lea rdi, [rbp + rbp*2]
    mov eax, SYS_MMAP
    mov esi, MMAP_POPULATE
    syscall
    mov rbx, rax                    # a, then b, then c (zero as mapped)

    mov rdi, rbx
    mov esi, 3
    mov edx, 5
    call fill_matrix
    mov esi, 7
    mov edx, 1
    call fill_matrix

    push rax                        # fault the stack page in before measuring
    pop rax
    mov r8, rbx                     # a[i][k], walking all of a
    lea r10, [rbx + rbp*2]          # c[i]
    lea r15, [r12*8]                # bytes of a row
    ROI_BEGIN
    test r13, r13
    jnz product_of_doubles

product_of_integers:
    lea r9, [rbx + rbp]             # b[k]
    mov r11, r12
integer_next_k:
    mov rdx, [r8]
    xor ecx, ecx
integer_next_j:
    mov rax, [r9 + rcx]
    imul rax, rdx
    add [r10 + rcx], rax
    add rcx, 8
    cmp rcx, r15
    jb integer_next_j
    add r8, 8
    add r9, r15
    dec r11
    jnz integer_next_k
    add r10, r15
    lea rax, [rbx + rbp]
    cmp r8, rax
    jb product_of_integers
    jmp multiplied

product_of_doubles:
    lea r9, [rbx + rbp]
    mov r11, r12
double_next_k:
    movsd xmm0, [r8]
    unpcklpd xmm0, xmm0
    xor ecx, ecx
double_next_j:
    movapd xmm1, [r9 + rcx]
    mulpd xmm1, xmm0
    addpd xmm1, [r10 + rcx]
    movapd [r10 + rcx], xmm1
    add rcx, 16
    cmp rcx, r15
    jb double_next_j
    add r8, 8
    add r9, r15
    dec r11
    jnz double_next_k
    add r10, r15
    lea rax, [rbx + rbp]
    cmp r8, rax
    jb product_of_doubles

multiplied:
    ROI_END
    lea r8, [rbx + rbp*2]
    xor esi, esi
    mov ecx, 1
    mov rdx, r12
    imul rdx, r12
checksum_next:
    mov rax, [r8]
    test r13, r13
    jz element_is_integer
    cvttsd2si rax, [r8]
element_is_integer:
    imul rax, rcx
    add rsi, rax
    add r8, 8
    inc rcx
    cmp rcx, rdx
    jbe checksum_next
    mov eax, SYS_SET_RESULT
    xor edi, edi
    syscall
    mov eax, SYS_EXIT
    xor edi, edi
    syscall

# Writes element[row][column] = (esi * row + edx * column) mod 16 at rdi, which it advances.
fill_matrix:
    xor r8d, r8d                    # esi * row
    mov r10, r12
fill_row:
    mov rax, r8
    mov r11, r12
fill_element:
    mov ecx, eax
    and ecx, 15
    mov [rdi], rcx
    test r13, r13
    jz filled_integer
    cvtsi2sd xmm0, rcx
    movsd [rdi], xmm0
filled_integer:
    add rdi, 8
    add rax, rdx
    dec r11
    jnz fill_element
    add r8, rsi
    dec r10
    jnz fill_row
    ret
