#: title = "CPUID"
#: stresses = "an instruction that always exits under VT-x"
#: outcome = "result 0 is the sum of the four answers to leaf 0"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

@kernel
workload_main:
    push rbx
    mov rsi, [rdi + PARAM_ITERATIONS * 8]
    ROI_BEGIN
.next:
    xor eax, eax
    cpuid
    dec rsi
    jnz .next
    ROI_END
    add eax, ebx
    add eax, ecx
    add eax, edx
    mov [rip + result], rax
    pop rbx
    xor eax, eax
    ret
