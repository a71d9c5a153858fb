#: title = "RDTSC"
#: stresses = "reads of the time stamp counter, which a VMM may offset without an exit"
#: outcome = "result 0 is the number of readings that were not later than the one before (0)"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    xor r8d, r8d                    # the reading before
    xor r9d, r9d                    # readings that were not later
    ROI_BEGIN
.next:
    rdtsc
    shl rdx, 32
    or rax, rdx
    xor edx, edx
    cmp rax, r8
    setbe dl
    add r9, rdx
    mov r8, rax
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r9
    mov rax, r9
    ret
