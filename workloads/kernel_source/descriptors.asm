# Segments, gates and the task state (SDM vol. 3A, sections 3.4.5, 6.14, 7.7).
#
# Long mode has little use for segments: two for the kernel, three for users as SYSRET wants them, and the
# TSS, which says which stack a trap from user mode starts on (RSP0) and the stack of the double-fault
# handler (IST1).

.set GATE_INTERRUPT, 0x8e00         # present, DPL 0, 64-bit interrupt gate: clears IF
.set GATE_INTERRUPT_USER, 0xee00    # the same with DPL 3: users may INT n
.set GATE_BYTES, 16
.set TSS_IST1, 36
.set TSS_BYTES, 104
.set DOUBLE_FAULT_STACK_BYTES, 2048

@kernel
load_descriptors:
    call describe_tss
    lea rdi, [rip + gdt_pointer]
    pv_load_gdt rdi
    pv_load_segments
    mov eax, TSS_SELECTOR
    pv_load_task_register ax
    call fill_idt
    lea rdi, [rip + idt_pointer]
    pv_load_idt rdi
    mov ecx, IA32_GS_BASE           # the processor's area
    lea rax, [rip + processor]
    mov rdx, rax
    shr rdx, 32
    pv_write_msr
    lea rax, [rip + process_table]  # the boot thread becomes the idle process
    mov gs:[CPU_CURRENT], rax
    ret

# The TSS's descriptor: its base address is spread over four fields.
describe_tss:
    lea rax, [rip + double_fault_stack_top]
    mov [rip + tss + TSS_IST1], rax
    lea rax, [rip + boot_stack_top]
    mov [rip + tss + 4], rax
    lea rax, [rip + tss]
    lea rdi, [rip + gdt + TSS_SELECTOR]
    mov [rdi + 2], ax
    shr rax, 16
    mov [rdi + 4], al
    mov [rdi + 7], ah
    shr rax, 16
    mov [rdi + 8], eax
    ret

fill_idt:
    push rbx
    xor ebx, ebx
.next_exception:
    mov edi, ebx
    mov esi, ebx
    shl esi, EXCEPTION_STUB_SHIFT
    lea rax, [rip + exception_stubs]
    add rsi, rax
    call set_gate
    inc ebx
    cmp ebx, EXCEPTIONS
    jb .next_exception
    lea rax, [rip + idt + VECTOR_DOUBLE_FAULT * GATE_BYTES]
    mov byte ptr [rax + 4], 1       # IST1
    mov edi, VECTOR_TIMER
    lea rsi, [rip + timer_stub]
    call set_gate
    mov edi, VECTOR_SELF_IPI
    lea rsi, [rip + self_ipi_stub]
    call set_gate
    mov edi, VECTOR_SPURIOUS
    lea rsi, [rip + spurious_stub]
    call set_gate
    pop rbx
    ret

# Points vector EDI to the routine at RSI, entered with interrupts off.
set_gate:
    shl edi, 4
    lea rax, [rip + idt]
    add rdi, rax
    mov [rdi], si
    mov word ptr [rdi + 2], KERNEL_CODE
    mov word ptr [rdi + 4], GATE_INTERRUPT
    shr rsi, 16
    mov [rdi + 6], si
    shr rsi, 16
    mov [rdi + 8], esi
    mov dword ptr [rdi + 12], 0
    ret

@kernel_data
.align 16
gdt:                                # accessed bits set: loading a selector writes nothing
    .quad 0
    .quad 0x00af9b000000ffff        # 0x08 kernel code, 64-bit
    .quad 0x00cf93000000ffff        # 0x10 kernel data
    .quad 0x00cffb000000ffff        # 0x18 user code, 32-bit
    .quad 0x00cff3000000ffff        # 0x20 user data
    .quad 0x00affb000000ffff        # 0x28 user code, 64-bit
    .quad 0x0000890000000067, 0     # 0x30 TSS; base filled in by describe_tss
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .quad gdt
idt_pointer:
    .word 256 * GATE_BYTES - 1
    .quad idt
.align 16
tss:                                # no I/O bitmap: its offset lies beyond the limit
    .zero TSS_BYTES - 2
    .word TSS_BYTES
.align 64
processor:
    .zero CPU_BYTES
double_fault_stack:
    .zero DOUBLE_FAULT_STACK_BYTES
double_fault_stack_top:
.align PAGE
idt:
    .zero 256 * GATE_BYTES
