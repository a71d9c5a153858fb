#: title = "Recursive calls"
#: stresses = "CALL and RET, the stack, short basic blocks"
#: outcome = "result 0 is the Fibonacci number of n, result 1 the number of calls made"
#: small = { n = 20, tick_period = 2000000 }
#: standard = { n = 25, tick_period = 2000000 }
#: large = { n = 30, tick_period = 2000000 }

@user
# Naive Fibonacci: two calls per node of the call tree and no memory but the stack. The return
# addresses are what binary translation has to keep in the guest's own terms.
user_main:
    mov eax, PARAM_N
    mov rdi, [rdi + rax*8]
    xor r12d, r12d                  # calls made
    push rax                        # fault the stack page in before measuring
    pop rax
    ROI_BEGIN
    call fibonacci
    ROI_END
    mov r13, rax

    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, r13
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, r12
    syscall
    mov eax, SYS_EXIT
    xor edi, edi
    syscall

# rdi = n -> rax = fibonacci(n)
fibonacci:
    inc r12
    cmp rdi, 2
    jb fibonacci_of_0_or_1
    push rbx
    push rdi
    dec rdi
    call fibonacci
    mov rbx, rax
    pop rdi
    sub rdi, 2
    call fibonacci
    add rax, rbx
    pop rbx
    ret
fibonacci_of_0_or_1:
    mov rax, rdi
    ret
