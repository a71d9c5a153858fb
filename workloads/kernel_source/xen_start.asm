# How the ported kernel starts: Xen's domain builder has loaded it, made page tables that map all memory at
# KERNEL_BASE, and passes a page of facts (start_info) in RSI. Entry points, segments and events of the kernel
# are registered by hypercalls instead of descriptor tables.

.set START_SHARED_INFO, 40
.set START_PT_BASE, 88
.set START_MFN_LIST, 104
.set START_MODULE, 112              # address of the boot information
.set START_COMMAND_LINE, 128
.set TRAP_RECORD_BYTES, 16
.set TRAP_MASKS_EVENTS, 4
.set TRAP_OPEN_TO_USERS, 3
.set SYSTEM_CALL_VECTOR, 0x80
.set XEN_SHARED_FLAGS, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_NO_EXECUTE
.set CALLBACK_SYSCALL_MASKS_EVENTS, 0x10002

@kernel
# RSI = start_info -> RDI = boot information
xen_start:
    mov rbx, rsi
    mov rax, [rbx + START_MFN_LIST]
    mov [rip + xen_frames], rax
    cmp byte ptr [rbx + START_COMMAND_LINE], 'n'    # "nobatch"
    setne byte ptr [rip + xen_batching]
    lea rdi, [rip + xen_shared_info]
    mov rsi, [rbx + START_SHARED_INFO]
    mov rax, XEN_SHARED_FLAGS
    or rsi, rax
    mov edx, UVMF_INVLPG
    HYPERCALL XEN_UPDATE_VA_MAPPING
    mov rax, [rbx + START_PT_BASE]
    mov rcx, KERNEL_BASE
    sub rax, rcx
    mov [rip + kernel_root], rax
    mov rdi, [rbx + START_MODULE]
    ret

load_descriptors:
    push rbx
    lea rdi, [rip + xen_trap_table]
    lea rsi, [rip + exception_stubs]
    xor ebx, ebx
.next_exception:
    mov byte ptr [rdi], bl
    mov byte ptr [rdi + 1], TRAP_MASKS_EVENTS
    mov word ptr [rdi + 2], USER_CODE
    mov [rdi + 8], rsi
    add rdi, TRAP_RECORD_BYTES
    add rsi, 1 << EXCEPTION_STUB_SHIFT
    inc ebx
    cmp ebx, EXCEPTIONS
    jb .next_exception
    lea rdi, [rip + xen_trap_table]
    HYPERCALL XEN_SET_TRAP_TABLE
    lea rdi, [rip + xen_event_entry]
    lea rsi, [rip + xen_failsafe_entry]
    lea rdx, [rip + system_call_entry]
    HYPERCALL XEN_SET_CALLBACKS
    lea rax, [rip + boot_stack_top]
    pv_set_kernel_stack rax
    mov edi, SEGMENT_BASE_GS_KERNEL
    lea rsi, [rip + processor]
    HYPERCALL XEN_SET_SEGMENT_BASE
    lea rax, [rip + process_table]
    mov gs:[CPU_CURRENT], rax
    mov edi, EVTCHNOP_BIND_VIRQ
    lea rsi, [rip + xen_timer_channel]
    lea rbx, [rsi + 8]
    mov r8d, VECTOR_TIMER
    call .bind
    mov edi, EVTCHNOP_BIND_IPI
    lea rsi, [rip + xen_ipi_channel]
    lea rbx, [rsi + 4]
    mov r8d, VECTOR_SELF_IPI
    call .bind
    pop rbx
    ret
.bind:                              # EDI = way to bind, RSI = its record, RBX = the port in it, R8 = vector
    HYPERCALL XEN_EVENT_CHANNEL_OP
    mov edx, [rbx]
    lea rcx, [rip + xen_vectors]
    mov [rcx + rdx], r8b
    mov rsi, rbx
    mov edi, EVTCHNOP_UNMASK
    HYPERCALL XEN_EVENT_CHANNEL_OP
    ret

# Points vector EDI to the routine at RSI, entered with events masked.
set_gate:
    lea rax, [rip + xen_gate]
    mov [rax], dil
    mov [rax + 8], rsi
    mov rdi, rax
    HYPERCALL XEN_SET_TRAP_TABLE
    ret

# The stack pointer on the stack is where traps from user mode start. Within a batch the call waits for the
# change of root that follows.
xen_set_kernel_stack:
    XEN_SAVE
    mov eax, XEN_STACK_SWITCH
    mov edi, KERNEL_DATA
    mov rdx, [rsp + XEN_SAVED + 8]
    call xen_add_call
    cmp dword ptr [rip + xen_batches], 0
    jne .wait
    call xen_call_all
.wait:
    XEN_RESTORE
    ret 8

# Number in ECX, value in EDX:EAX: of those that the kernel sets, segment bases and the system-call entry.
xen_write_msr:
    XEN_SAVE
    shl rdx, 32
    mov esi, eax
    or rsi, rdx
    mov edi, SEGMENT_BASE_GS_KERNEL
    cmp ecx, IA32_GS_BASE
    je .segment_base
    mov edi, SEGMENT_BASE_GS_USER
    cmp ecx, IA32_KERNEL_GS_BASE
    je .segment_base
    mov edi, SEGMENT_BASE_FS
    cmp ecx, IA32_FS_BASE
    je .segment_base
    cmp ecx, IA32_LSTAR
    jne .done
.ifdef PV_DIRECT
    mov [rip + xen_system_call_gate + 8], rsi
    lea rdi, [rip + xen_system_call_gate]
    HYPERCALL XEN_SET_TRAP_TABLE
    jmp .done
.endif
    mov [rip + xen_callback + 8], rsi
    lea rsi, [rip + xen_callback]
    xor edi, edi                    # register
    HYPERCALL XEN_CALLBACK_OP
    jmp .done
.segment_base:
    HYPERCALL XEN_SET_SEGMENT_BASE
.done:
    XEN_RESTORE
    ret

# The address on the stack, to and from DR0
xen_write_dr0:
    XEN_SAVE
    xor edi, edi
    mov rsi, [rsp + XEN_SAVED + 8]
    HYPERCALL XEN_SET_DEBUGREG
    XEN_RESTORE
    ret 8
xen_read_dr0:
    XEN_SAVE
    xor edi, edi
    HYPERCALL XEN_GET_DEBUGREG
    mov [rip + xen_debug_register], rax
    XEN_RESTORE
    ret

@kernel_data
.align 16
xen_trap_table:
    .zero EXCEPTIONS * TRAP_RECORD_BYTES
    .quad 0, 0
xen_gate:                           # vector, flags, CS, address; end
    .byte 0, TRAP_MASKS_EVENTS
    .word USER_CODE
    .long 0
    .quad 0
    .quad 0, 0
.ifdef PV_DIRECT
xen_system_call_gate:               # INT 80H, open to users, a trap gate: leaves events unmasked
    .byte SYSTEM_CALL_VECTOR, TRAP_OPEN_TO_USERS
    .word KERNEL_CODE
    .long 0
    .quad 0
    .quad 0, 0
.endif
xen_callback:                       # type and flags, address
    .long CALLBACK_SYSCALL_MASKS_EVENTS
    .long 0
    .quad 0
xen_timer_channel:                  # virtual interrupt 0 (the timer), processor, port
    .long 0, 0, 0
xen_ipi_channel:                    # processor, port
    .long 0, 0
xen_vectors:                        # by event channel
    .zero 64
.align 64
processor:
    .zero CPU_BYTES
xen_batching: .byte 0
.align 8
xen_debug_register: .quad 0
.align 8
xen_frames: .quad 0                 # machine frame numbers, by frame
.align PAGE
xen_shared_info:                    # Xen's page takes this one's place
    .zero PAGE
