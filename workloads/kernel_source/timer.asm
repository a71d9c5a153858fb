# The local APIC and its timer: the kernel's sense of time (SDM vol. 3A, sections 11.4 and 11.5.4).
#
# The timer counts down at the rate of the processor's time stamp counter and interrupts periodically. A tick
# wakes those who have slept long enough and ends the running process's turn.

.set DEFAULT_TICK_PERIOD, 50000     # in units of the time stamp counter; parameter tick_period overrides it

@kernel
enable_local_apic:
    pv_apic_write APIC_SPURIOUS, APIC_SOFTWARE_ENABLE | VECTOR_SPURIOUS
    ret

start_ticking:
.ifdef PARAM_TICK_PERIOD
    mov edi, [rip + parameters + PARAM_TICK_PERIOD * 8]
    test edi, edi
    jnz start_timer
    ret
.else
    mov edi, DEFAULT_TICK_PERIOD
.endif
# EDI = period: from now on timer_tick is called once in each.
start_timer:
    pv_apic_write APIC_DIVIDE, APIC_DIVIDE_BY_1
    pv_apic_write APIC_LVT_TIMER, APIC_TIMER_PERIODIC | VECTOR_TIMER
    pv_apic_write APIC_INITIAL_COUNT, edi
    ret

timer_tick:
    pv_end_of_interrupt
    inc qword ptr [rip + ticks]
    mov qword ptr gs:[CPU_RESCHEDULE], 1
    cmp qword ptr [rip + sleepers], 0
    jne wake_sleepers
    ret

# sleep(ticks)
system_sleep:
    push rbx
    CURRENT rbx
    add rdi, [rip + ticks]
    mov [rbx + PROCESS_WAKE_AT], rdi
    lea rdi, [rip + sleepers]
    call block_on
    xor eax, eax
    pop rbx
    ret

# All sleepers leave their queue; those who have not slept long enough go back to it.
wake_sleepers:
    push rbx
    push rbp
    mov rbp, [rip + sleepers + QUEUE_TAIL]
.next:
    lea rdi, [rip + sleepers]
    call dequeue
    mov rbx, rax
    mov rax, [rip + ticks]
    cmp rax, [rbx + PROCESS_WAKE_AT]
    jae .wake
    lea rdi, [rip + sleepers]
    mov rsi, rbx
    call enqueue
    jmp .seen
.wake:
    mov rdi, rbx
    call make_ready
.seen:
    cmp rbx, rbp
    jne .next
    pop rbp
    pop rbx
    ret

@kernel_data
.align 16
sleepers: .quad 0, 0
ticks: .quad 0
