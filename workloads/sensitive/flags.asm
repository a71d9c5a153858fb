#: title = "Interrupt flag saved, cleared and restored"
#: stresses = "PUSHF, POPF, CLI and STI as kernels use them around critical sections"
#: outcome = "results 0-3 count the times IF was seen set: outside, in the outer section, in the inner section, after both"
#: small = { sections = 8000 }
#: standard = { sections = 80000 }
#: large = { sections = 800000 }
#: [expect]
#: trap-and-emulate = "diverged"

@kernel
# Deprivileged, CLI and STI fault and can be emulated, but PUSHF shows the processor's IF, not the guest's,
# and POPF leaves IF as it is without a fault: the inner section believes that interrupts were on.
.macro COUNT_IF register, counter
    mov eax, \register
    shr eax, 9
    and eax, 1
    add \counter, rax
.endm

workload_main:
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    pushfq                          # whatever the caller had
    mov ecx, PARAM_SECTIONS
    mov rbp, [rdi + rcx*8]
    xor r12d, r12d                  # IF outside
    xor r13d, r13d                  # IF in the outer section
    xor r14d, r14d                  # IF in the inner section
    xor r15d, r15d                  # IF after both
    pv_irq_enable
    ROI_BEGIN
next_section:
    pv_irq_save rbx                 # rbx: IF outside
    COUNT_IF ebx, r12
    pv_irq_save rcx                 # rcx: IF in the outer section
    COUNT_IF ecx, r13
    pushfq
    pop rdx                         # rdx: IF in the inner section
    COUNT_IF edx, r14
    pv_irq_restore rcx
    pv_irq_restore rbx
    pushfq
    pop rdx
    COUNT_IF edx, r15
    dec rbp
    jnz next_section
    ROI_END
    pv_irq_disable

    lea rbx, [rip + result]
    mov [rbx], r12
    mov [rbx + 8], r13
    mov [rbx + 16], r14
    mov [rbx + 24], r15
    popfq
    xor eax, eax
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
