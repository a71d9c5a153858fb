# The pv-ops macros of the kernel that is ported to Xen's x86-64 interface (pv_ops.asm has the native ones, and
# says what each is for). The routines behind them are in xen_*.asm; they keep all registers.
#
# Interrupts are events, masked by a byte in the page that the kernel shares with Xen. Page tables belong to the
# kernel but only Xen writes to them, by hypercalls. Kernel and user both run at CPL 3.

# Hypercalls: number in RAX, arguments in RDI RSI RDX R10; result in RAX. SYSCALL loses RCX and R11.
.set XEN_SET_TRAP_TABLE, 0
.set XEN_MMU_UPDATE, 1
.set XEN_STACK_SWITCH, 3
.set XEN_SET_CALLBACKS, 4
.set XEN_SET_DEBUGREG, 8
.set XEN_GET_DEBUGREG, 9
.set XEN_MULTICALL, 13
.set XEN_UPDATE_VA_MAPPING, 14
.set XEN_SET_TIMER_OP, 15
.set XEN_VERSION, 17
.set XEN_CONSOLE_IO, 18
.set XEN_IRET, 23
.set XEN_SET_SEGMENT_BASE, 25
.set XEN_MMUEXT_OP, 26
.set XEN_SCHED_OP, 29
.set XEN_CALLBACK_OP, 30
.set XEN_EVENT_CHANNEL_OP, 32
.set DOMID_SELF, 0x7ff0

.set MMUEXT_PIN_L4_TABLE, 3
.set MMUEXT_UNPIN_TABLE, 4
.set MMUEXT_NEW_BASEPTR, 5
.set MMUEXT_TLB_FLUSH_LOCAL, 6
.set MMUEXT_INVLPG_LOCAL, 7
.set MMUEXT_NEW_USER_BASEPTR, 15
.set SCHEDOP_BLOCK, 1
.set SCHEDOP_SHUTDOWN, 2
.set SHUTDOWN_CRASH, 3
.set EVTCHNOP_BIND_VIRQ, 1
.set EVTCHNOP_SEND, 4
.set EVTCHNOP_BIND_IPI, 7
.set EVTCHNOP_UNMASK, 9
.set SEGMENT_BASE_FS, 0
.set SEGMENT_BASE_GS_USER, 1
.set SEGMENT_BASE_GS_KERNEL, 2
.set UVMF_INVLPG, 2
.set IN_SYSCALL, 0x100              # for XEN_IRET: return as SYSRET does
.set MACHINE_TO_PHYSICAL, 0xffff800000000000

# Xen's flat segments. In frames the kernel's code segment has RPL 0 (or 1: PV_DIRECT), the user's RPL 3.
.ifdef PV_DIRECT
.set KERNEL_CODE, 0xe019
.set KERNEL_DATA, 0xe011
.else
.set KERNEL_CODE, 0xe030
.set KERNEL_DATA, 0xe028
.endif
.set USER_CODE, 0xe033
.set USER_DATA, 0xe02b

# The shared page: virtual processor 0's part, then the bits of event channels.
.set SHARED_PENDING, 0
.set SHARED_MASK, 1
.set SHARED_SELECTOR, 8
.set SHARED_CR2, 16
.set SHARED_TIME, 32
.set SHARED_CHANNELS_PENDING, 2048
.set SHARED_CHANNELS_MASKED, 2560

.macro HYPERCALL number
    mov eax, \number
    syscall
.endm
.macro XEN_SAVE
    .irp register, rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11
    push \register
    .endr
.endm
.macro XEN_RESTORE
    .irp register, r11, r10, r9, r8, rdi, rsi, rdx, rcx, rax
    pop \register
    .endr
.endm
.set XEN_SAVED, 72                  # bytes

# --- interrupts -----------------------------------------------------------------------------------------
.macro pv_irq_disable
    mov byte ptr [rip + xen_shared_info + SHARED_MASK], 1
.endm
# An event that came while they were masked is seen by Xen on the way back from a hypercall.
.macro pv_irq_enable
    mov byte ptr [rip + xen_shared_info + SHARED_MASK], 0
    cmp byte ptr [rip + xen_shared_info + SHARED_PENDING], 0
    je %%nothing_pending
    call xen_see_events
%%nothing_pending:
.endm
.macro pv_irq_save register
    movzx \register, byte ptr [rip + xen_shared_info + SHARED_MASK]
    mov byte ptr [rip + xen_shared_info + SHARED_MASK], 1
.endm
.macro pv_irq_restore register
    test \register, \register
    jnz %%stay_masked
    pv_irq_enable
%%stay_masked:
.endm
.macro pv_safe_halt
    call xen_block
.endm
.macro pv_halt
    call xen_crash
.endm
.macro pv_end_of_interrupt
.endm

# --- entry and return -----------------------------------------------------------------------------------
.ifdef PV_DIRECT
# The kernel at CPL 1. Frames are the processor's; system calls come by INT 80H, without Xen and unmasked.
.set FROM_USER, 2
.macro pv_trap_entry
.endm
# The event mask becomes what the frame's IF says. IRET itself leaves IF alone at CPL 1.
.macro pv_interrupt_return
    test dword ptr [rsp + (FRAME_RFLAGS - FRAME_RIP)], RFLAGS_IF
    jz %%return
    pv_irq_enable
%%return:
    iretq
.endm
.macro pv_system_call_entry
    pv_irq_disable
.endm
.macro pv_system_call_return
    pv_interrupt_return
.endm
.else
.set FROM_USER, 3
# Xen has pushed R11 and RCX too.
.macro pv_trap_entry
    pop rcx
    pop r11
.endm
.macro XEN_RETURN flags
    push \flags
    push rcx
    push r11
    push rax
    HYPERCALL XEN_IRET
.endm
.macro pv_interrupt_return
    XEN_RETURN 0
.endm
.macro pv_system_call_entry
    pop rcx
    pop r11
.endm
.macro pv_system_call_return
    XEN_RETURN IN_SYSCALL
.endm
.endif
.macro pv_swapgs
.endm
.macro pv_set_kernel_stack register
    push \register
    call xen_set_kernel_stack
.endm

# --- memory ---------------------------------------------------------------------------------------------
.macro pv_frame_to_entry register
    push \register
    call xen_to_machine
    pop \register
.endm
.macro pv_entry_to_frame register
    push \register
    call xen_to_physical
    pop \register
.endm
.macro pv_set_pte pointer, value
    push \value
    push \pointer
    call xen_set_entry
.endm
.macro pv_set_pmd pointer, value
    pv_set_pte \pointer, \value
.endm
.macro pv_set_table_entry pointer, value
    push \value
    push \pointer
    call xen_set_table_entry
.endm
.macro pv_clear_pte pointer
    push 0
    push \pointer
    call xen_set_entry
.endm
.macro pv_clear_pmd pointer
    pv_clear_pte \pointer
.endm
.macro pv_clear_table_entry pointer
    push 0
    push \pointer
    call xen_set_table_entry
.endm
.macro pv_batch_begin
    call xen_batch_begin
.endm
.macro pv_batch_end
    call xen_batch_end
.endm
.macro pv_table_created register
    push \register
    call xen_make_read_only
.endm
.macro pv_table_released register
    push \register
    call xen_make_writable
.endm
.macro pv_root_created register
    push \register
    call xen_root_created
.endm
.macro pv_root_released register
    push \register
    call xen_root_released
.endm
.macro pv_switch_root register
    push \register
    call xen_switch_root
.endm
.macro pv_flush_tlb scratch
    call xen_flush_tlb
.endm
.macro pv_flush_page pointer
    push \pointer
    call xen_flush_page
.endm
.macro pv_read_fault_address register
    mov \register, [rip + xen_shared_info + SHARED_CR2]
.endm
# Xen shows its guests no SMAP.
.macro pv_user_access_begin
.endm
.macro pv_user_access_end
.endm

# --- descriptors and privileged state: Xen's ------------------------------------------------------------
.macro pv_read_cr4 register
    xor \register, \register
.endm
.macro pv_write_cr4 register
.endm
# Xen emulates the few that it shows.
.macro pv_read_msr
    rdmsr
.endm
.macro pv_write_msr
    call xen_write_msr
.endm
.macro pv_write_dr0 register
    push \register
    call xen_write_dr0
.endm
.macro pv_read_dr0 register
    call xen_read_dr0
    mov \register, [rip + xen_debug_register]
.endm
# The answers as Xen wants them to be for its guests: UD2 and "xen" before the instruction.
.macro pv_cpuid
    .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e
    cpuid
.endm

# --- devices: none. Console, timer and the end of the run are hypercalls --------------------------------
.macro pv_in8
    mov al, 0xff
.endm
.macro pv_out8
.endm
.macro pv_out32
    call xen_out32
.endm
.macro pv_apic_write register, value
.if \register == APIC_LVT_TIMER
    mov dword ptr [rip + xen_timer_mode], \value
.elseif \register == APIC_INITIAL_COUNT
    mov dword ptr [rip + xen_timer_count], \value
    call xen_start_timer
.elseif \register == APIC_ICR_LOW
    call xen_send_to_self
.endif
.endm
.macro pv_apic_read register, value
    xor \value, \value
.endm
