#: title = "MOV to CR3"
#: stresses = "address-space switches to the same address space: the TLB loses all that is not global"
#: outcome = "result 0 is the number of writes; the run fails unless CR3 reads back as written"
#: small = { iterations = 1000 }
#: standard = { iterations = 10000 }
#: large = { iterations = 100000 }

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
.ifdef PV
    mov rdx, [rip + kernel_root]
.else
    mov rdx, cr3
.endif
    ROI_BEGIN
.next:
    pv_switch_root rdx
    dec rcx
    jnz .next
    ROI_END
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    mov [rip + result], rcx
.ifdef PV
    xor eax, eax                    # the current root cannot be read back, nor need it be
.else
    mov rax, cr3
    sub rax, rdx
.endif
    ret
