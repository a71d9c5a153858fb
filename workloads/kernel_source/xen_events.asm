# Events in the ported kernel: Xen's upcall, the timer, waiting, the console and the end of the run.

@kernel
# Xen enters here, with events masked, when a channel has become pending. The lowest one is taken; it stands for
# a vector. If there are more, they are left pending, and Xen comes back.
xen_event_entry:
    pv_trap_entry
    push 0
    push 0                          # to be the vector
    push rax
    push rcx
    push rdx
    mov byte ptr [rip + xen_shared_info + SHARED_PENDING], 0
    mov qword ptr [rip + xen_shared_info + SHARED_SELECTOR], 0
    mov rax, [rip + xen_shared_info + SHARED_CHANNELS_MASKED]
    not rax
    and rax, [rip + xen_shared_info + SHARED_CHANNELS_PENDING]
    bsf rcx, rax
    jz .none
    lea rdx, [rip + xen_shared_info + SHARED_CHANNELS_PENDING]
    btr qword ptr [rdx], rcx
    btr rax, rcx
    test rax, rax
    jz .last
    mov qword ptr [rip + xen_shared_info + SHARED_SELECTOR], 1
    mov byte ptr [rip + xen_shared_info + SHARED_PENDING], 1
.last:
    lea rdx, [rip + xen_vectors]
    movzx ecx, byte ptr [rdx + rcx]
    mov [rsp + 24], rcx
    cmp ecx, VECTOR_TIMER
    jne .ready
    call xen_next_tick
.ready:
    pop rdx
    pop rcx
    pop rax
    jmp trap
.none:
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    pv_interrupt_return

xen_failsafe_entry:                 # a segment that Xen could not load
    lea rdi, [rip + xen_failsafe_text]
    jmp panic

# A cheap hypercall; on its way back Xen looks at the events.
xen_see_events:
    XEN_SAVE
    xor edi, edi
    HYPERCALL XEN_VERSION
    XEN_RESTORE
    ret

xen_block:                          # unmasks events
    XEN_SAVE
    mov edi, SCHEDOP_BLOCK
    HYPERCALL XEN_SCHED_OP
    XEN_RESTORE
    ret

# An event in xen_timer_count units of the time stamp counter, and periodically if xen_timer_mode says so.
xen_start_timer:
    XEN_SAVE
    call xen_system_time
    mov ecx, [rip + xen_timer_count]
    mov edx, [rip + xen_timer_mode]
    and edx, APIC_TIMER_PERIODIC
    cmovnz edx, ecx
    mov [rip + xen_timer_period], rdx
    lea rdi, [rax + rcx]
    test ecx, ecx
    cmovz rdi, rcx                  # 0 stops the timer
    mov [rip + xen_timer_next], rdi
    HYPERCALL XEN_SET_TIMER_OP
    XEN_RESTORE
    ret

xen_next_tick:
    cmp qword ptr [rip + xen_timer_period], 0
    je .one_shot
    XEN_SAVE
    mov rdi, [rip + xen_timer_next]
    add rdi, [rip + xen_timer_period]
    mov [rip + xen_timer_next], rdi
    HYPERCALL XEN_SET_TIMER_OP
    XEN_RESTORE
.one_shot:
    ret

# -> RAX = system time in nanoseconds: from the time stamp counter by the factors on the shared page
xen_system_time:
    rdtsc
    shl rdx, 32
    or rax, rdx
    lea rdi, [rip + xen_shared_info + SHARED_TIME]
    sub rax, [rdi + 8]
    mov cl, [rdi + 28]
    shl rax, cl
    mov ecx, [rdi + 24]
    mul rcx
    shrd rax, rdx, 32
    add rax, [rdi + 16]
    ret

xen_send_to_self:
    XEN_SAVE
    mov edi, EVTCHNOP_SEND
    lea rsi, [rip + xen_ipi_channel + 4]
    HYPERCALL XEN_EVENT_CHANNEL_OP
    XEN_RESTORE
    ret

# EAX to port EDX: the only port that means something ends the run.
xen_out32:
    cmp edx, PORT_EXIT
    je .end
    ret
.end:
    test eax, eax                   # Xen keeps the lowest byte of the reason
    jz xen_shut_down
    test al, al
    jnz xen_shut_down
    mov al, 255
    jmp xen_shut_down
xen_crash:
    mov eax, SHUTDOWN_CRASH
xen_shut_down:                      # EAX = reason
    mov [rip + xen_shutdown_reason], eax
    mov edi, SCHEDOP_SHUTDOWN
    lea rsi, [rip + xen_shutdown_reason]
    HYPERCALL XEN_SCHED_OP
    jmp xen_crash

initialise_uart:                    # there is none
    ret

# RDI = text that ends with a zero
write_string:
    xor esi, esi
.next:
    cmp byte ptr [rdi + rsi], 0
    je write_characters
    inc rsi
    jmp .next
# RDI = text, RSI = length
write_characters:
    push rcx
    push r10
    push r11
    mov rdx, rdi
    xor edi, edi                    # write
    HYPERCALL XEN_CONSOLE_IO
    pop r11
    pop r10
    pop rcx
    ret
# AL = character
write_character:
    push rsi
    push rax
    mov rdi, rsp
    mov esi, 1
    call write_characters
    pop rax
    pop rsi
    ret

@kernel_data
.align 8
xen_timer_next: .quad 0             # system time
xen_timer_period: .quad 0
xen_timer_count: .long 0
xen_timer_mode: .long 0
xen_shutdown_reason: .long 0
xen_failsafe_text: .asciz "Xen could not load a segment"
