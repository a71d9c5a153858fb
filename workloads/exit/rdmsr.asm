#: title = "RDMSR"
#: stresses = "reads of a model-specific register: IA32_PAT, @fs-base of one that VMMs often pass through"
#: outcome = "result 0 is the last value read"
#: small = { iterations = 2000, register = 0x277 }
#: standard = { iterations = 20000, register = 0x277 }
#: large = { iterations = 200000, register = 0x277 }
#: variants = { "fs-base" = { register = 0xc0000100 } }

@kernel
workload_main:
    mov rsi, [rdi + PARAM_ITERATIONS * 8]
    mov rcx, [rdi + PARAM_REGISTER * 8]
    ROI_BEGIN
.next:
    pv_read_msr
    dec rsi
    jnz .next
    ROI_END
    mov [rip + result], eax
    mov [rip + result + 4], edx
    xor eax, eax
    ret
