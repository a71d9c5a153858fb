#: title = "Interrupt to oneself"
#: stresses = "a store to the interrupt command register, delivery, end of interrupt"
#: outcome = "result 0 is the number of interrupts taken"
#: small = { iterations = 1000 }
#: standard = { iterations = 10000 }
#: large = { iterations = 100000 }

@kernel
# ICR with the destination shorthand "self" (Intel SDM vol. 3A, section 11.6.1).
workload_main:
    push rbx
    mov rbx, [rdi + PARAM_ITERATIONS * 8]
    pv_irq_enable
    ROI_BEGIN
.next:
    pv_apic_write APIC_ICR_LOW, APIC_TO_SELF | VECTOR_SELF_IPI
    dec rbx
    jnz .next
    nop                             # the last one has arrived when this retires
    ROI_END
    pv_irq_disable
    mov rax, [rip + self_ipis]
    mov [rip + result], rax
    mov rcx, [rip + parameters + PARAM_ITERATIONS * 8]
    sub rax, rcx
    pop rbx
    ret
