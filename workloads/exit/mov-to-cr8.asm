#: title = "MOV to CR8"
#: stresses = "writes of the task priority that raise and lower it in turn"
#: outcome = "result 0 is the sum of the values written and of the last one read back"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

@kernel
# Priority 2 and 15 in turn. Nothing is pending, so lowering the priority lets no interrupt in.
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    mov eax, 2
    xor r8d, r8d
    ROI_BEGIN
.next:
    mov cr8, rax
    xor eax, 2 ^ 15
    add r8, rax
    dec rcx
    jnz .next
    ROI_END
    mov rax, cr8
    add r8, rax
    mov cr8, rcx
    mov [rip + result], r8
    xor eax, eax
    ret
