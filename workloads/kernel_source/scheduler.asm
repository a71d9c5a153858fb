# Who runs: round robin over a queue of ready processes.
#
# A process gives way when it blocks, when it asks to, and at a timer tick in user mode; the kernel itself is
# not preempted. Queues are lists linked through PROCESS_NEXT; since the timer's handler wakes processes, they
# are changed with interrupts off.

@kernel
# RDI = queue, RSI = process: to the end of the queue. Interrupts are off.
enqueue:
    mov qword ptr [rsi + PROCESS_NEXT], 0
    mov rax, [rdi + QUEUE_TAIL]
    mov [rdi + QUEUE_TAIL], rsi
    test rax, rax
    jz .empty
    mov [rax + PROCESS_NEXT], rsi
    ret
.empty:
    mov [rdi + QUEUE_HEAD], rsi
    ret

# RDI = queue -> RAX = its first process, taken out; 0 if there is none. Interrupts are off.
dequeue:
    mov rax, [rdi + QUEUE_HEAD]
    test rax, rax
    jz .done
    mov rcx, [rax + PROCESS_NEXT]
    mov [rdi + QUEUE_HEAD], rcx
    test rcx, rcx
    jnz .done
    mov qword ptr [rdi + QUEUE_TAIL], 0
.done:
    ret

# RDI = process: may run when its turn comes.
make_ready:
    mov rsi, rdi
    mov qword ptr [rsi + PROCESS_STATE], STATE_READY
    lea rdi, [rip + ready_queue]
    pv_irq_save rdx
    call enqueue
    pv_irq_restore rdx
    ret

# RDI = queue: the running process waits in it.
block_on:
    CURRENT rsi
    push rbx
    pv_irq_save rbx
    mov qword ptr [rsi + PROCESS_STATE], STATE_BLOCKED
    call enqueue
    call schedule
    pv_irq_restore rbx
    pop rbx
    ret

# RDI = queue: all that wait in it become ready.
wake_all:
    push rbx
    push rbp
    mov rbx, rdi
    pv_irq_save rbp
.next:
    mov rdi, rbx
    call dequeue
    test rax, rax
    jz .done
    mov rdi, rax
    call make_ready
    jmp .next
.done:
    pv_irq_restore rbp
    pop rbp
    pop rbx
    ret

# Lets the next ready process run; comes back when it is the caller's turn again. Interrupts are off.
schedule:
    mov qword ptr gs:[CPU_RESCHEDULE], 0
    CURRENT rsi
    cmp qword ptr [rsi + PROCESS_STATE], STATE_RUNNING
    jne .choose
    lea rax, [rip + process_table]  # the idle process stands in no queue
    cmp rsi, rax
    je .choose
    mov qword ptr [rsi + PROCESS_STATE], STATE_READY
    lea rdi, [rip + ready_queue]
    call enqueue
.choose:
    lea rdi, [rip + ready_queue]
    call dequeue
    test rax, rax
    jnz .chosen
    lea rax, [rip + process_table]
.chosen:
    mov qword ptr [rax + PROCESS_STATE], STATE_RUNNING
    CURRENT rdi
    mov rsi, rax
    cmp rsi, rdi
    jne switch_process
    ret

# From process RDI to process RSI: registers that calls keep, FPU, kernel stack, address space. The idle
# process has no FPU state, and no address space of its own: it borrows the last one.
switch_process:
    .irp register, rbx, rbp, r12, r13, r14, r15
    push \register
    .endr
    mov [rdi + PROCESS_RSP], rsp
    cmp qword ptr [rdi + PROCESS_ROOT], 0
    je .saved
    fxsave64 [rdi + PROCESS_FPU]
.saved:
    mov rsp, [rsi + PROCESS_RSP]
    mov gs:[CPU_CURRENT], rsi
    mov rax, [rsi + PROCESS_KERNEL_STACK]
    mov gs:[CPU_KERNEL_STACK], rax
    pv_batch_begin
    pv_set_kernel_stack rax
    mov rax, [rsi + PROCESS_ROOT]
    test rax, rax
    jz .switched
    fxrstor64 [rsi + PROCESS_FPU]
    cmp rax, gs:[CPU_ROOT]
    je .switched
    mov gs:[CPU_ROOT], rax
    pv_switch_root rax
.switched:
    pv_batch_end
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop \register
    .endr
    ret

# The boot thread's fate: waits for interrupts while nobody is ready. If nobody sleeps either, nothing will ever
# make anybody ready again.
idle:
    pv_irq_disable
    call schedule
    cmp qword ptr [rip + sleepers], 0
    je .deadlock
    pv_safe_halt
    jmp idle
.deadlock:
    lea rdi, [rip + deadlock_text]
    jmp panic

# RDI = trap frame: what is due before the process goes on in user mode. Interrupts are off.
prepare_user_mode:
    CURRENT rax
    mov rcx, [rax + PROCESS_SIGNALS]
    or rcx, gs:[CPU_RESCHEDULE]
    jnz .something_due
    ret
.something_due:
    push rbx
    mov rbx, rdi
    cmp qword ptr gs:[CPU_RESCHEDULE], 0
    je .signals
    call schedule
.signals:
    CURRENT rax
    cmp qword ptr [rax + PROCESS_SIGNALS], 0
    je .done
    pv_irq_enable
    mov rdi, rbx
    call deliver_signal
    pv_irq_disable
.done:
    mov rdi, rbx
    pop rbx
    jmp prepare_user_mode

@kernel_data
.align 16
ready_queue: .quad 0, 0
deadlock_text: .asciz "all processes wait for each other"
