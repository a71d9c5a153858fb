#: title = "PUSHF and POPF"
#: stresses = "saving and restoring RFLAGS, which the VMM of a deprivileged kernel must see or replace"
#: outcome = "result 0 is the sum of the IF bits written, set in every other iteration"
#: small = { iterations = 5000 }
#: standard = { iterations = 50000 }
#: large = { iterations = 500000 }
#: [expect]
#: trap-and-emulate = "diverged"

@kernel
# POPF flips IF in each iteration, PUSHF reads it back. Below CPL 0 neither faults, and POPF leaves IF alone.
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    xor r8d, r8d
    ROI_BEGIN
.next:
.ifdef PV
    call flip_mask
.else
    pushfq
    xor qword ptr [rsp], RFLAGS_IF
    mov eax, [rsp]
    and eax, RFLAGS_IF
    add r8, rax
    popfq
.endif
    dec rcx
    jnz .next
    ROI_END
    pv_irq_disable
    mov [rip + result], r8
    xor eax, eax
    ret
.ifdef PV
flip_mask:                          # the event mask is what IF was; R8 += the IF bit written
    pv_irq_save rax
    xor eax, 1
    mov edx, RFLAGS_IF
    test eax, eax
    cmovnz edx, eax
    and edx, RFLAGS_IF
    add r8, rdx
    pv_irq_restore rax
    ret
.endif
