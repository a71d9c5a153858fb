#: title = "MOV from CR8"
#: stresses = "reads of the task priority; a TPR shadow answers them without an exit"
#: outcome = "result 0 is the sum of the values read (3 each)"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    mov eax, 3
    mov cr8, rax
    xor r8d, r8d
    ROI_BEGIN
.next:
    mov rax, cr8
    add r8, rax
    dec rcx
    jnz .next
    ROI_END
    mov cr8, rcx
    mov [rip + result], r8
    xor eax, eax
    ret
