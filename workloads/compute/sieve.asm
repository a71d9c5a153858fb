#: title = "Sieve of Eratosthenes"
#: stresses = "strided byte stores, well predicted loops"
#: outcome = "result 0 is the number of primes up to the limit, result 1 the largest of them"
#: small = { limit = 20000, tick_period = 2000000 }
#: standard = { limit = 200000, tick_period = 2000000 }
#: large = { limit = 2000000, tick_period = 2000000 }

@user
user_main:
    mov r12, PARAM_LIMIT
    mov r12, [rdi + r12*8]
    lea rdi, [r12 + 1]
    mov eax, SYS_MMAP
    mov esi, MMAP_POPULATE
    syscall
    mov rbx, rax                    # one byte per number; 1 = composite (fresh pages are zero)

    ROI_BEGIN
    mov ecx, 2
next_candidate:
    mov rdx, rcx
    imul rdx, rcx                   # the first multiple without a smaller factor
    cmp rdx, r12
    ja sieved
    cmp byte ptr [rbx + rcx], 0
    jne candidate_is_composite
strike_multiple:
    mov byte ptr [rbx + rdx], 1
    add rdx, rcx
    cmp rdx, r12
    jbe strike_multiple
candidate_is_composite:
    inc rcx
    jmp next_candidate

sieved:
    xor r13d, r13d                  # primes
    mov ecx, 2
count_next:
    cmp byte ptr [rbx + rcx], 0
    jne not_prime
    inc r13
    mov r14, rcx                    # the largest so far
not_prime:
    inc rcx
    cmp rcx, r12
    jbe count_next
    ROI_END

    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, r13
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, r14
    syscall
    mov eax, SYS_EXIT
    xor edi, edi
    syscall
