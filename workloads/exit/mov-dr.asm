#: title = "MOV to and from a debug register"
#: stresses = "accesses to debug registers, which a VMM may leave to the guest once it uses them"
#: outcome = "result 0 is the sum of the values read back"
#: small = { iterations = 1000 }
#: standard = { iterations = 10000 }
#: large = { iterations = 100000 }

@kernel
# DR0 holds an address; no breakpoint is enabled in DR7.
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    xor r8d, r8d
    ROI_BEGIN
.next:
    pv_write_dr0 rcx
    pv_read_dr0 rax
    add r8, rax
    dec rcx
    jnz .next
    ROI_END
    pv_write_dr0 rcx
    mov [rip + result], r8
    xor eax, eax
    ret
