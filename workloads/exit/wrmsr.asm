#: title = "WRMSR"
#: stresses = "writes of a model-specific register: IA32_PAT, @fs-base of one that VMMs often pass through"
#: outcome = "result 0 is the value read back, which must be the one written"
#: small = { iterations = 2000, register = 0x277 }
#: standard = { iterations = 20000, register = 0x277 }
#: large = { iterations = 200000, register = 0x277 }
#: variants = { "fs-base" = { register = 0xc0000100 } }

.set VALUE, 0x00050100              # memory types that exist, and an address that is canonical

@kernel
workload_main:
    mov rsi, [rdi + PARAM_ITERATIONS * 8]
    mov rcx, [rdi + PARAM_REGISTER * 8]
    pv_read_msr
    mov r8d, eax
    mov r9d, edx
    mov eax, VALUE
    ROI_BEGIN
.next:
    pv_write_msr
    dec rsi
    jnz .next
    ROI_END
    pv_read_msr
    mov [rip + result], eax
    mov [rip + result + 4], edx
    lea esi, [rax - VALUE]
    mov eax, r8d                    # as it was
    mov edx, r9d
    pv_write_msr
    mov eax, esi
    ret
