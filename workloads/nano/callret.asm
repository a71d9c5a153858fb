#: title = "CALL and RET"
#: stresses = "calls and returns in the kernel, for which a binary translator must look up the return address"
#: outcome = "result 0 is the number of calls"
#: small = { iterations = 40000 }
#: standard = { iterations = 400000 }
#: large = { iterations = 4000000 }

@kernel
# Adams and Agesen (ASPLOS 2006), nanobenchmark "call/ret".
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    xor r8d, r8d
    ROI_BEGIN
.next:
    call count_call
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    xor eax, eax
    ret

count_call:
    inc r8
    ret
