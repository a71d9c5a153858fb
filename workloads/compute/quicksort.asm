#: title = "Quicksort"
#: stresses = "data-dependent branches, recursion, loads and stores"
#: outcome = "result 0 is the sum of (rank + 1) * value over the sorted array, result 1 the number of misordered neighbours (0)"
#: small = { elements = 2500, tick_period = 2000000 }
#: standard = { elements = 20000, tick_period = 2000000 }
#: large = { elements = 160000, tick_period = 2000000 }

@user
user_main:
    mov r12, PARAM_ELEMENTS
    mov r12, [rdi + r12*8]
    lea rdi, [r12*8]
    mov eax, SYS_MMAP
    mov esi, MMAP_POPULATE
    syscall
    mov rbx, rax
    lea rbp, [rbx + r12*8 - 8]      # last element

    mov rax, 1
    mov r8, 6364136223846793005
    mov r9, 1442695040888963407
    mov rdi, rbx
fill_next:
    imul rax, r8
    add rax, r9
    mov [rdi], rax
    add rdi, 8
    cmp rdi, rbp
    jbe fill_next

    mov rdi, rbx
    mov rsi, rbp
    push rax                        # fault the stack page in before measuring
    pop rax
    ROI_BEGIN
    call quicksort
    ROI_END

    xor r13d, r13d                  # sum of (rank + 1) * value
    xor r14d, r14d                  # misordered neighbours
    xor r8d, r8d                    # previous value
    xor ecx, ecx
check_next:
    mov rax, [rbx + rcx*8]
    cmp rax, r8
    adc r14, 0                      # carry: this value is below the one before it
    mov r8, rax
    inc rcx
    imul rax, rcx
    add r13, rax
    cmp rcx, r12
    jb check_next

    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, r13
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, r14
    syscall
    mov rdi, r14
    mov eax, SYS_EXIT
    syscall

# Sorts the unsigned quadwords from rdi to rsi, both inclusive, with Hoare's partition.
quicksort:
    cmp rdi, rsi
    jae quicksort_done
    mov rax, rsi
    sub rax, rdi
    shr rax, 4
    mov rax, [rdi + rax*8]          # pivot: the middle value
    lea rcx, [rdi - 8]
    lea rdx, [rsi + 8]
partition_from_left:
    add rcx, 8
    cmp [rcx], rax
    jb partition_from_left
partition_from_right:
    sub rdx, 8
    cmp [rdx], rax
    ja partition_from_right
    cmp rcx, rdx
    jae partitioned
    mov r8, [rcx]
    mov r9, [rdx]
    mov [rcx], r9
    mov [rdx], r8
    jmp partition_from_left
partitioned:
    push rsi
    push rdx
    mov rsi, rdx
    call quicksort                  # left part
    pop rdi
    pop rsi
    add rdi, 8
    jmp quicksort                   # right part, as a loop
quicksort_done:
    ret
