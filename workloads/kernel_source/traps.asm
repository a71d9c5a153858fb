# From an exception or interrupt to its handler and back (SDM vol. 3A, sections 6.12 and 6.14).
#
# Each vector has a stub that makes all frames alike (an error code of 0 where the processor pushes none) and
# adds the vector. `trap` saves the registers and calls the vector's handler from `trap_handlers` with
# RDI = trap frame and interrupts off. On the way back to user mode the kernel first does what is due:
# giving way to another process, delivering signals.
#
# A workload's kernel part may put its own handlers into trap_handlers, or take a vector for itself with
# set_gate.

.set HAS_ERROR_CODE, 0x227d00       # the vectors with an error code, one bit each

@kernel
.align 16
exception_stubs:
.set NUMBER, 0
.rept EXCEPTIONS
    .align 16
    pv_trap_entry
.if ((HAS_ERROR_CODE >> NUMBER) & 1) == 0
    push 0
.endif
    push NUMBER
    jmp trap
.set NUMBER, NUMBER + 1
.endr
    .align 16

timer_stub:
    pv_trap_entry
    push 0
    push VECTOR_TIMER
    jmp trap
self_ipi_stub:
    pv_trap_entry
    push 0
    push VECTOR_SELF_IPI
    jmp trap
spurious_stub:                      # no EOI for these (SDM vol. 3A, section 11.9)
    pv_trap_entry
    pv_interrupt_return

trap:
    SAVE_REGISTERS
    cld
    test byte ptr [rsp + FRAME_CS], FROM_USER
    jz .from_kernel
    pv_swapgs
    jmp .dispatch
.from_kernel:
    pv_user_access_end              # perhaps out of a copy from user memory; IRET brings AC back
.dispatch:
    mov rdi, rsp
    mov rax, [rsp + FRAME_VECTOR]
    lea rdx, [rip + trap_handlers]
    call [rdx + rax*8]
return_from_trap:                   # interrupts are off; also a new process's way to user mode
    test byte ptr [rsp + FRAME_CS], FROM_USER
    jz return_to_kernel
    mov rdi, rsp
    call prepare_user_mode
return_to_user:
    pv_swapgs
return_to_kernel:
    RESTORE_REGISTERS
    add rsp, FRAME_RIP - FRAME_VECTOR
    pv_interrupt_return

# A user's exception becomes a signal, a kernel's is the end.
unexpected_exception:
    test byte ptr [rdi + FRAME_CS], FROM_USER
    jz panic_exception
    mov rsi, [rdi + FRAME_RIP]
    jmp raise_fault

# Counts; for workloads that interrupt themselves.
self_ipi:
    pv_end_of_interrupt
    inc qword ptr [rip + self_ipis]
    ret

@kernel_data
.align 16
trap_handlers:
.set NUMBER, 0
.rept VECTOR_PAGE_FAULT
    .quad unexpected_exception
.endr
    .quad page_fault
.rept EXCEPTIONS - VECTOR_PAGE_FAULT - 1
    .quad unexpected_exception
.endr
    .quad timer_tick                # VECTOR_TIMER
    .quad self_ipi                  # VECTOR_SELF_IPI
.ifdef HAS_DEVICES
    .quad 0, 0                      # VECTOR_DISK, VECTOR_NETWORK: their drivers'
.endif
self_ipis: .quad 0
