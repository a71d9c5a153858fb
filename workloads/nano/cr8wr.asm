#: title = "MOV to CR8"
#: stresses = "writes of the task priority, which Windows kernels do at every change of interrupt level"
#: outcome = "result 0 is CR8 after the last write (5)"
#: small = { iterations = 5000 }
#: standard = { iterations = 50000 }
#: large = { iterations = 500000 }

@kernel
# Adams and Agesen (ASPLOS 2006), nanobenchmark "cr8wr". CR8 is bits 7:4 of the local APIC's task priority
# register (Intel SDM vol. 3A, section 10.8.6).
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    mov eax, 5
    ROI_BEGIN
.next:
    mov cr8, rax
    dec rcx
    jnz .next
    ROI_END
    mov rax, cr8
    mov [rip + result], rax
    xor ecx, ecx
    mov cr8, rcx
    sub eax, 5
    ret
