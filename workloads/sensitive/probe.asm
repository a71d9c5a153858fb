#: title = "Sensitive-instruction probe"
#: stresses = "every sensitive instruction, with a kernel's privilege"
#: outcome = "result i is what slots[i] showed; 0xfa17vvvveeeeeeee: it raised vector v with error code e"
#: small = { passes = 1 }
#: standard = { passes = 10 }
#: large = { passes = 100 }
# First the privileged instructions: below CPL0 they fault, so a VMM can emulate them. From "sgdt" on,
# those of Robin and Irvine (USENIX Security 2000) that 64-bit mode still has: they do not fault.
#: slots = [
#:   "cli", "sti", "mov-from-cr0", "mov-to-cr0", "mov-from-cr2", "mov-to-cr2", "mov-from-cr3", "mov-to-cr3",
#:   "mov-from-cr4", "mov-to-cr4", "mov-from-cr8", "mov-to-cr8", "lmsw", "clts", "mov-from-dr", "mov-to-dr",
#:   "rdmsr", "wrmsr", "swapgs", "lgdt", "lidt", "lldt", "ltr", "invlpg", "invd", "wbinvd", "in", "out",
#:   "rdtsc", "cpuid", "iret", "int-dpl0", "int-dpl3", "int3",
#:   "sgdt", "sidt", "sldt", "str", "smsw", "pushf", "popf", "lar", "lsl", "verr", "verw",
#:   "mov-from-cs", "mov-from-ss", "mov-to-ss", "mov-to-ds", "push-fs", "pop-fs", "lfs",
#:   "call-far", "jmp-far", "ret-far", "iret-rpl1",
#: ]
#: [expect]
#: trap-and-emulate = "diverged"

@kernel
.set SLOTS, 56
.set IF_IOPL, 0x3200
.set TS, 0x8                        # CR0.TS
.set TSD, 0x4                       # CR4.TSD
.set UART_LINE_STATUS, PORT_UART + 5
.set UART_SCRATCH, PORT_UART + 7
.set VECTOR_BREAKPOINT, 3
.set VECTOR_DPL0, 0xe0
.set VECTOR_DPL3, 0xe1
# The probe's own GDT. All descriptors have DPL 0, so a selector with RPL 1 must be refused.
.set CODE, KERNEL_CODE
.set CODE_RPL1, KERNEL_CODE | 1
.set DATA, KERNEL_DATA
.set DATA_RPL1, KERNEL_DATA | 1
.set LDT, 0x18
.set TSS, 0x28
.set EXECUTED, 1                    # shown by an instruction that shows nothing of its own

# A test is a routine that leaves what it saw in rax. It starts with IF clear and may use all registers
# but rsp, rbp and r12-r15. UD2 is the observer of RFLAGS: its handler puts IF and IOPL of the exception
# frame in rax, so that no test of CLI, STI, POPF or IRET depends on PUSHF.

# --- privileged -----------------------------------------------------------------------------------
probe_cli:          cli; ud2; ret
probe_sti:          sti; nop; ud2; cli; ret                 # NOP: the end of the STI shadow
probe_mov_from_cr0: mov rax, cr0; ret
probe_mov_to_cr0:   mov rax, cr0; or eax, TS; mov cr0, rax; mov rax, cr0; ret
probe_mov_from_cr2: mov rax, cr2; ret
probe_mov_to_cr2:   mov rax, 0x123456789000; mov cr2, rax; mov rax, cr2; ret
probe_mov_from_cr3: mov rax, cr3; ret
probe_mov_to_cr3:   mov rax, cr3; mov cr3, rax; mov rax, cr3; ret
probe_mov_from_cr4: mov rax, cr4; ret
probe_mov_to_cr4:   mov rcx, cr4; mov eax, ecx; or eax, TSD; mov cr4, rax; mov rax, cr4; mov cr4, rcx; ret
probe_mov_from_cr8: mov rax, cr8; ret
probe_mov_to_cr8:   mov rcx, cr8; mov eax, 3; mov cr8, rax; mov rax, cr8; mov cr8, rcx; ret
probe_lmsw:         mov rax, cr0; or eax, TS; lmsw ax; mov rax, cr0; ret
probe_clts:         mov rax, cr0; or eax, TS; mov cr0, rax; clts; mov rax, cr0; ret
probe_mov_from_dr:  mov rax, dr7; shl rax, 32; mov rcx, dr6; or rax, rcx; ret
probe_mov_to_dr:    mov eax, 0x5000; mov dr0, rax; mov rax, dr0; xor ecx, ecx; mov dr0, rcx; ret
probe_rdmsr:                                                # LSTAR << 32 | EFER
    mov ecx, IA32_LSTAR; rdmsr; mov ebx, eax; shl rbx, 32
    mov ecx, IA32_EFER; rdmsr; or rax, rbx; ret
probe_wrmsr:
    mov ecx, IA32_KERNEL_GS_BASE; mov eax, 0x13572468; xor edx, edx; wrmsr
    xor eax, eax; rdmsr; ret
probe_swapgs:                                               # GS base between two SWAPGS
    mov ecx, IA32_KERNEL_GS_BASE; mov eax, 0x11235000; xor edx, edx; wrmsr
    swapgs; mov ecx, IA32_GS_BASE; rdmsr; swapgs; ret
probe_lgdt:         lgdt [rip + probe_gdt_pointer]; mov eax, EXECUTED; ret
probe_lidt:         lidt [rip + idt_pointer]; mov eax, EXECUTED; ret
probe_lldt:         mov eax, LDT; lldt ax; mov eax, EXECUTED; ret
probe_ltr:                                                  # type left in the descriptor: busy TSS
    lea rbx, [rip + probe_gdt]; and byte ptr [rbx + TSS + 5], 0xfd
    mov eax, TSS; ltr ax; movzx eax, byte ptr [rbx + TSS + 5]; ret
probe_invlpg:       lea rbx, [rip + probe_gdt]; invlpg [rbx]; mov eax, EXECUTED; ret
probe_invd:         invd; mov eax, EXECUTED; ret            # no data caches are modelled: nothing is lost
probe_wbinvd:       wbinvd; mov eax, EXECUTED; ret
probe_in:           mov edx, UART_LINE_STATUS; xor eax, eax; in al, dx; ret
probe_out:          mov edx, UART_SCRATCH; mov eax, 0x5a; out dx, al; xor eax, eax; in al, dx; ret
probe_rdtsc:                                                # time does not run backwards
    rdtsc; mov ebx, eax; mov ecx, edx; rdtsc; sub eax, ebx; sbb edx, ecx; setns al; movzx eax, al; ret
probe_cpuid:        xor eax, eax; cpuid; add eax, ebx; add eax, ecx; add eax, edx; ret
probe_iret:                                                 # within the kernel, with IF set in the frame
    mov rax, rsp; push DATA; push rax; push 0x202; push CODE
    lea rax, [rip + probe_sti + 1]; push rax; iretq         # goes on behind the STI
probe_int_dpl0:     int VECTOR_DPL0; ret                    # CS in the frame
probe_int_dpl3:     int VECTOR_DPL3; ret
probe_int3:         int3; ret

# --- sensitive, not privileged --------------------------------------------------------------------
probe_sgdt:         lea rbx, [rip + probe_scratch]; sgdt [rbx]; jmp probe_pack_pointer
probe_sidt:         lea rbx, [rip + probe_scratch]; sidt [rbx]
probe_pack_pointer:                                         # base << 16 | limit
    mov rax, [rbx + 2]; shl rax, 16; mov ax, [rbx]; ret
probe_sldt:         mov eax, LDT; lldt ax; xor eax, eax; sldt eax; ret
probe_str:          xor eax, eax; str eax; ret
probe_smsw:                                                 # with TS set and NE clear
    mov rax, cr0; or eax, TS; and eax, 0xffffffdf; mov cr0, rax; smsw eax; movzx eax, ax; ret
probe_pushf:        pushfq; pop rax; and eax, IF_IOPL; ret
probe_popf:                                                 # after setting IF << 32 | after clearing it
    push 0x202; popfq; nop; ud2; mov ebx, eax; shl rbx, 32
    sti; push 0x002; popfq; ud2; cli; or rax, rbx; ret
# The next four compare a descriptor's DPL with CPL and RPL. With RPL 0 they must succeed; with RPL 1
# they must clear ZF - but not at CPL1, when the VMM has moved the kernel's descriptors to DPL 1.
probe_lar:                                                  # access rights without the accessed bit
    xor eax, eax; mov ecx, DATA; lar eax, ecx; and eax, 0x00f0fe00
    mov ecx, DATA_RPL1; lar edx, ecx; jmp probe_add_zf
probe_lsl:          xor eax, eax; mov ecx, DATA; lsl eax, ecx; mov ecx, DATA_RPL1; lsl edx, ecx; jmp probe_add_zf
probe_verr:         xor eax, eax; mov ecx, DATA; verr cx; setz al; mov ecx, DATA_RPL1; verr cx; jmp probe_add_zf
probe_verw:         xor eax, eax; mov ecx, DATA; verw cx; setz al; mov ecx, DATA_RPL1; verw cx
probe_add_zf:       setz dl; movzx edx, dl; shl rdx, 63; or rax, rdx; ret   # bit 63: ZF with RPL 1
probe_mov_from_cs:  xor eax, eax; mov eax, cs; ret          # a selector's low bits are the ring
probe_mov_from_ss:  xor eax, eax; mov eax, ss; ret
# Loading a selector with RPL 1 from a descriptor with DPL 0 is #GP(selector) for a kernel at CPL0, and
# nothing at all at CPL1 with the descriptors moved to DPL 1. So are the far transfers that follow.
probe_mov_to_ss:    mov eax, DATA_RPL1; mov ss, eax; mov eax, EXECUTED; ret
probe_mov_to_ds:    mov eax, DATA_RPL1; mov ds, eax; mov eax, EXECUTED; ret
probe_push_fs:      mov eax, DATA; mov fs, eax; push fs; pop rax; ret   # RPL 0: comes back as loaded
probe_pop_fs:       push DATA_RPL1; pop fs; mov eax, EXECUTED; ret
probe_lfs:          lea rbx, [rip + probe_data_far_pointer]; lfs eax, [rbx]; mov eax, EXECUTED; ret
probe_call_far:     lea rbx, [rip + probe_call_far_pointer]
    .byte 0x48, 0xff, 0x1b                                  # call far m16:64 [rbx]
probe_call_far_target: pop rcx; pop rax; ret                # the CS that the call pushed
probe_jmp_far:      lea rbx, [rip + probe_jmp_far_pointer]
    .byte 0x48, 0xff, 0x2b                                  # jmp far m16:64 [rbx]
probe_ret_far:      push CODE_RPL1; lea rax, [rip + probe_transferred]; push rax; retfq
probe_iret_rpl1:
    mov rax, rsp; push DATA_RPL1; push rax; push 0x002; push CODE_RPL1
    lea rax, [rip + probe_transferred]; push rax; iretq
probe_transferred:  mov eax, EXECUTED; ret

# --- driver ---------------------------------------------------------------------------------------
workload_main:
    .irp register, rbx, rbp, r12, r13, r14, r15
    push \register
    .endr
    mov eax, PARAM_PASSES
    mov r13, [rdi + rax*8]
    call probe_enter
next_pass:
    xor r12d, r12d
next_slot:
    lea rbx, [rip + probe_routines]
    mov rbx, [rbx + r12*8]
    call probe_run
    lea rcx, [rip + result]
    mov [rcx + r12*8], rax
    inc r12
    cmp r12d, SLOTS
    jb next_slot
    dec r13
    jnz next_pass
    call probe_leave
    xor eax, eax
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop \register
    .endr
    ret

# Runs the test at rbx, then undoes what it changed or a fault kept it from undoing.
probe_run:
    mov [rip + probe_resume_rsp], rsp
    call rbx
probe_resume:
    mov rsp, [rip + probe_resume_rsp]
    cli
    mov rcx, [rip + probe_saved_cr0]; mov cr0, rcx
    mov ecx, DATA; mov ss, ecx; mov ds, ecx
    xor ecx, ecx; mov fs, ecx
    ret

# Handles vectors 0-31; RDI = trap frame. RAX of the frame takes what the test shows.
probe_exception:
    mov rax, [rdi + FRAME_RIP]
    mov rcx, [rdi + FRAME_VECTOR]
    cmp ecx, VECTOR_BREAKPOINT
    je .breakpoint
    cmp word ptr [rax], 0x0b0f      # UD2: the observer
    je .observer
    mov eax, 0xfa170000
    or eax, ecx
    shl rax, 32
    or rax, [rdi + FRAME_ERROR]
    lea rcx, [rip + probe_resume]
    mov [rdi + FRAME_RIP], rcx
    jmp .show
.observer:
    add qword ptr [rdi + FRAME_RIP], 2
    mov rax, [rdi + FRAME_RFLAGS]
    and eax, IF_IOPL
    jmp .show
.breakpoint:
    mov rax, [rdi + FRAME_CS]
.show:
    mov [rdi + FRAME_RAX], rax
    ret

# Handles the two INT n.
probe_software_interrupt:
    mov rax, [rsp + 8]              # CS in the frame
    iretq

# Gives the probe the exceptions, two vectors and a GDT of its own.
probe_enter:
    mov rax, cr0
    mov [rip + probe_saved_cr0], rax
    mov ecx, IA32_KERNEL_GS_BASE
    rdmsr
    lea rbx, [rip + probe_saved_gs_base]
    mov [rbx], eax
    mov [rbx + 4], edx
    lea rsi, [rip + trap_handlers]
    lea rdi, [rip + probe_saved_handlers]
    mov ecx, EXCEPTIONS
    rep movsq
    lea rdi, [rip + trap_handlers]
    lea rax, [rip + probe_exception]
    mov ecx, EXCEPTIONS
    rep stosq
    .irp vector, VECTOR_DPL0, VECTOR_DPL3
    mov edi, \vector
    lea rsi, [rip + probe_software_interrupt]
    call set_gate
    .endr
    lea rax, [rip + idt]
    mov word ptr [rax + VECTOR_DPL3 * GATE_BYTES + 4], GATE_INTERRUPT_USER
    lea rsi, [rip + gdt + TSS_SELECTOR]
    lea rdi, [rip + probe_gdt + TSS]
    mov ecx, 2
    rep movsq
    lgdt [rip + probe_gdt_pointer]
    ret

# Puts the kernel's state back.
probe_leave:
    lgdt [rip + gdt_pointer]
    xor eax, eax
    lldt ax
    lea rbx, [rip + gdt]
    and byte ptr [rbx + TSS_SELECTOR + 5], 0xfd     # available: LTR wants it so
    mov eax, TSS_SELECTOR
    ltr ax
    lea rsi, [rip + probe_saved_handlers]
    lea rdi, [rip + trap_handlers]
    mov ecx, EXCEPTIONS
    rep movsq
    lea rbx, [rip + probe_saved_gs_base]
    mov eax, [rbx]
    mov edx, [rbx + 4]
    mov ecx, IA32_KERNEL_GS_BASE
    wrmsr
    ret

@kernel_data
.align 16
probe_gdt:                          # accessed bits set: loading them writes nothing
    .quad 0
    .quad 0x00af9b000000ffff        # CODE: 64-bit, DPL 0
    .quad 0x00cf93000000ffff        # DATA: writable, DPL 0
    .quad 0x000082000000000f, 0     # LDT: two null descriptors at linear address 0
    .quad 0, 0                      # TSS: the kernel's
probe_gdt_pointer: .word 0x37; .quad probe_gdt
probe_call_far_pointer: .quad probe_call_far_target; .word CODE
probe_jmp_far_pointer: .quad probe_transferred; .word CODE_RPL1
probe_data_far_pointer: .long 0; .word DATA_RPL1            # m16:32
.align 16
probe_routines:                     # in the order of `slots`
    .quad probe_cli, probe_sti, probe_mov_from_cr0, probe_mov_to_cr0, probe_mov_from_cr2
    .quad probe_mov_to_cr2, probe_mov_from_cr3, probe_mov_to_cr3, probe_mov_from_cr4
    .quad probe_mov_to_cr4, probe_mov_from_cr8, probe_mov_to_cr8, probe_lmsw, probe_clts
    .quad probe_mov_from_dr, probe_mov_to_dr, probe_rdmsr, probe_wrmsr, probe_swapgs, probe_lgdt
    .quad probe_lidt, probe_lldt, probe_ltr, probe_invlpg, probe_invd, probe_wbinvd, probe_in
    .quad probe_out, probe_rdtsc, probe_cpuid, probe_iret, probe_int_dpl0, probe_int_dpl3
    .quad probe_int3, probe_sgdt, probe_sidt, probe_sldt, probe_str, probe_smsw, probe_pushf
    .quad probe_popf, probe_lar, probe_lsl, probe_verr, probe_verw, probe_mov_from_cs
    .quad probe_mov_from_ss, probe_mov_to_ss, probe_mov_to_ds, probe_push_fs, probe_pop_fs
    .quad probe_lfs, probe_call_far, probe_jmp_far, probe_ret_far, probe_iret_rpl1
probe_scratch: .quad 0, 0
probe_resume_rsp: .quad 0
probe_saved_cr0: .quad 0
probe_saved_gs_base: .quad 0
probe_saved_handlers: .zero EXCEPTIONS * 8
