#: title = "Hypercalls"
#: stresses = "the hypervisor's checks: hypercalls with whatever numbers, operations and pointers a test has written here"
#: outcome = "result 0: how many came back"
#: small = { count = 0 }
#: standard = { count = 0 }
#: large = { count = 0 }

# A test writes the calls and what their pointers lead to over the data below.

.set CALLS, 256
.set CALL_BYTES_HERE, 64            # number, six arguments, result
.set BUFFER_PAGES, 2

@kernel
workload_main:
    push rbx
    push rbp
    mov rbp, [rdi + PARAM_COUNT * 8]
    lea rbx, [rip + fuzz_calls]
.next:
    test rbp, rbp
    jz .done
    mov rax, [rbx]
    mov rdi, [rbx + 8]
    mov rsi, [rbx + 16]
    mov rdx, [rbx + 24]
    mov r10, [rbx + 32]
    mov r8, [rbx + 40]
    mov r9, [rbx + 48]
    push rbx
    push rbp
    syscall
    pop rbp
    pop rbx
    mov [rbx + 56], rax
    inc qword ptr [rip + result]
    add rbx, CALL_BYTES_HERE
    dec rbp
    jmp .next
.done:
    pop rbp
    pop rbx
    xor eax, eax
    ret

@kernel_data
.align PAGE
fuzz_buffer:
    .zero BUFFER_PAGES * PAGE
fuzz_calls:
    .zero CALLS * CALL_BYTES_HERE
