#: title = "Loads and stores of device registers"
#: stresses = "memory-mapped I/O: the local APIC's timer divider, read and written"
#: outcome = "result 0 is the sum of the values read, which must be the ones written"
#: small = { iterations = 1000 }
#: standard = { iterations = 10000 }
#: large = { iterations = 100000 }

# The timer is stopped, so its divide configuration (Intel SDM vol. 3A, section 11.5.4) is just a register. It is
# written with two values in turn.

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    mov edx, 3                      # divide by 16
    xor r8d, r8d                    # values read
    xor r9d, r9d                    # values written
    ROI_BEGIN
.next:
    pv_apic_write APIC_DIVIDE, edx
    add r9, rdx
    pv_apic_read APIC_DIVIDE, eax
    add r8, rax
    xor edx, 3 ^ 8                  # divide by 32
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    xor eax, eax
    cmp r8, r9
    setne al
    ret
