# The only place with sensitive instructions (besides workloads whose purpose is to execute them).
#
# Like Linux's pv-ops: the kernel says what it wants in these macros, and the same source becomes the native
# kernel (plain instructions) or the one ported to Xen's interface (hypercalls and stores to shared memory).
# A macro changes no register but those named in its arguments or its comment; RFLAGS may change unless said
# otherwise.

.ifdef PV
.error "the Xen side of the pv-ops macros does not exist yet"
.endif

# --- interrupts -----------------------------------------------------------------------------------------
.macro pv_irq_disable
    cli
.endm
.macro pv_irq_enable
    sti
.endm
# The register keeps what pv_irq_restore wants back.
.macro pv_irq_save register
    pushfq
    pop \register
    cli
.endm
.macro pv_irq_restore register
    push \register
    popfq
.endm
# Enable interrupts and wait for one; none can come between the two.
.macro pv_safe_halt
    sti
    hlt
.endm
.macro pv_halt
    hlt
.endm
.macro pv_end_of_interrupt
    pv_apic_write APIC_EOI, 0
.endm

# --- entry and return -----------------------------------------------------------------------------------
.set FROM_USER, 3                   # bits of a frame's CS, none of them set if the kernel was interrupted
# First thing at a trap or interrupt. On the stack: error code if any, RIP, CS, RFLAGS, RSP, SS.
.macro pv_trap_entry
.endm
.macro pv_interrupt_return
    iretq
.endm
# First thing at LSTAR; pushes SS, RSP, RFLAGS, CS, RIP as a trap would, and enters the kernel's GS.
.macro pv_system_call_entry
    swapgs
    mov gs:[CPU_USER_RSP], rsp
    mov rsp, gs:[CPU_KERNEL_STACK]
    push USER_DATA
    push qword ptr gs:[CPU_USER_RSP]
    push r11
    push USER_CODE
    push rcx
.endm
# Last thing: RCX = RIP, R11 = RFLAGS, and on the stack what the entry pushed.
.macro pv_system_call_return
    mov rsp, [rsp + (FRAME_RSP - FRAME_RIP)]
    swapgs
    sysret
.endm
# Exchange the kernel's GS base with the user's.
.macro pv_swapgs
    swapgs
.endm
# The stack that a trap from user mode starts on (RSP0; SDM vol. 3A, section 7.7).
.macro pv_set_kernel_stack register
    mov [rip + tss + 4], \register
.endm

# --- memory ---------------------------------------------------------------------------------------------
# Entry values hold machine frame numbers; these convert from and to what the guest takes for physical.
.macro pv_frame_to_entry register
.endm
.macro pv_entry_to_frame register
.endm
# Stores to page tables: the entry of a 4 KiB page, of a 2 MiB page, of a table below.
.macro pv_set_pte pointer, value
    mov [\pointer], \value
.endm
.macro pv_set_pmd pointer, value
    mov [\pointer], \value
.endm
.macro pv_set_table_entry pointer, value
    mov [\pointer], \value
.endm
.macro pv_clear_pte pointer
    mov qword ptr [\pointer], 0
.endm
.macro pv_clear_pmd pointer
    mov qword ptr [\pointer], 0
.endm
.macro pv_clear_table_entry pointer
    mov qword ptr [\pointer], 0
.endm
# Several stores to page tables follow, and may take effect together at the end.
.macro pv_batch_begin
.endm
.macro pv_batch_end
.endm
# A zeroed frame (physical address in the register) is about to become a page table, or no longer is one.
.macro pv_table_created register
.endm
.macro pv_table_released register
.endm
# The same for the root of an address space.
.macro pv_root_created register
.endm
.macro pv_root_released register
.endm
.macro pv_switch_root register
    mov cr3, \register
.endm
.macro pv_flush_tlb scratch
    mov \scratch, cr3
    mov cr3, \scratch
.endm
.macro pv_flush_page pointer
    invlpg [\pointer]
.endm
.macro pv_read_fault_address register
    mov \register, cr2
.endm
# SMAP's gate for user memory, where the processor has it.
.macro pv_user_access_begin
    cmp byte ptr [rip + smap_enabled], 0
    je %%done
    stac
%%done:
.endm
.macro pv_user_access_end
    cmp byte ptr [rip + smap_enabled], 0
    je %%done
    clac
%%done:
.endm

# --- descriptors and privileged state -------------------------------------------------------------------
.macro pv_load_gdt pointer
    lgdt [\pointer]
.endm
.macro pv_load_idt pointer
    lidt [\pointer]
.endm
.macro pv_load_task_register selector
    ltr \selector
.endm
# The kernel's own segments, and no user's in FS and GS. Only far transfers load CS. Uses RAX.
.macro pv_load_segments
    push KERNEL_CODE
    lea rax, [rip + %%reloaded]
    push rax
    retfq
%%reloaded:
    mov eax, KERNEL_DATA
    mov ss, eax
    mov ds, eax
    mov es, eax
    xor eax, eax
    mov fs, eax
    mov gs, eax
.endm
.macro pv_read_cr4 register
    mov \register, cr4
.endm
.macro pv_write_cr4 register
    mov cr4, \register
.endm
# Number in ECX, value in EDX:EAX
.macro pv_read_msr
    rdmsr
.endm
.macro pv_write_msr
    wrmsr
.endm
# A breakpoint's address
.macro pv_write_dr0 register
    mov dr0, \register
.endm
.macro pv_read_dr0 register
    mov \register, dr0
.endm
# Leaf in EAX and ECX; answers in EAX, EBX, ECX, EDX
.macro pv_cpuid
    cpuid
.endm

# --- devices --------------------------------------------------------------------------------------------
# Port in DX, value in AL, AX or EAX
.macro pv_in8
    in al, dx
.endm
.macro pv_out8
    out dx, al
.endm
.macro pv_out32
    out dx, eax
.endm
.macro pv_out16
    out dx, ax
.endm
.macro pv_in32
    in eax, dx
.endm
.macro pv_apic_write register, value
    mov dword ptr [LOCAL_APIC + \register], \value
.endm
.macro pv_apic_read register, value
    mov \value, dword ptr [LOCAL_APIC + \register]
.endm
