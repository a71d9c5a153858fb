#: title = "HLT until the timer interrupts"
#: stresses = "arming a one-shot timer, halting, waking up"
#: outcome = "result 0 is the number of wake-ups"
#: small = { iterations = 500, delay = 1000 }
#: standard = { iterations = 5000, delay = 1000 }
#: large = { iterations = 50000, delay = 1000 }

@kernel
workload_main:
    push rbx
    push rbp
    mov rbx, [rdi + PARAM_ITERATIONS * 8]
    mov rbp, [rdi + PARAM_DELAY * 8]
    lea rax, [rip + wake_up]
    mov [rip + trap_handlers + VECTOR_TIMER * 8], rax
    pv_apic_write APIC_DIVIDE, APIC_DIVIDE_BY_1
    pv_apic_write APIC_LVT_TIMER, VECTOR_TIMER    # one-shot
    ROI_BEGIN
.next:
    pv_apic_write APIC_INITIAL_COUNT, ebp
    pv_safe_halt
    pv_irq_disable
    dec rbx
    jnz .next
    ROI_END
    lea rax, [rip + timer_tick]
    mov [rip + trap_handlers + VECTOR_TIMER * 8], rax
    mov rax, [rip + parameters + PARAM_ITERATIONS * 8]
    sub rax, [rip + result]
    pop rbp
    pop rbx
    ret

wake_up:
    pv_end_of_interrupt
    inc qword ptr [rip + result]
    ret
