# The first instructions, in long mode on the loader's page tables, with interrupts off (see
# hardware_model/boot.py for the loader's side). RDI = physical address of the boot information:
#
#    0  magic   8  bytes of RAM   16  image base   24  image bytes   32  16 workload parameters
#
# The order below is forced: frames before page tables (which are made of frames), descriptors before the
# first fault can be handled, everything before the workload.

.set BOOT_MAGIC, 0x54524150424e4348
.set BOOT_RAM_BYTES, 8
.set BOOT_PARAMETERS, 32
.set PARAMETERS, 16
.set BOOT_STACK_BYTES, 16384

@kernel
boot:
    lea rsp, [rip + boot_stack_top]
    cld
.ifdef PV
    call xen_start
.endif
    call read_boot_information
    call open_direct_map
    call initialise_frames
    call build_kernel_tables
    call load_descriptors
    call enable_features
    call initialise_system_calls
    call initialise_uart
    lea rdi, [rip + greeting]
    call write_string
    call enable_local_apic
.ifdef HAS_KERNEL_PART
    lea rdi, [rip + parameters]
    call workload_main
    mov edi, eax
    test rax, rax
    jnz end_run
.endif
.ifdef HAS_USER_PART
    call start_first_process
    jmp idle
.endif
    xor edi, edi
    jmp end_run

# The loader's page stays where it is, so everything is copied out of it. A wrong magic number means that
# nothing can be trusted, the console included.
read_boot_information:
    mov rax, BOOT_MAGIC
    cmp [rdi], rax
    jne halt_for_ever
    mov rax, [rdi + BOOT_RAM_BYTES]
    mov [rip + ram_bytes], rax
    lea rsi, [rdi + BOOT_PARAMETERS]
    lea rdi, [rip + parameters]
    mov ecx, PARAMETERS
    rep movsq
    ret

# SMEP and SMAP, where CPUID leaf 7 has them: the kernel neither executes user pages nor touches them by
# mistake (SDM vol. 3A, section 4.6).
enable_features:
    push rbx
    mov eax, 7
    xor ecx, ecx
    pv_cpuid
    xor eax, eax
    bt ebx, 7
    jnc .no_smep
    or eax, CR4_SMEP
.no_smep:
    bt ebx, 20
    jnc .no_smap
    or eax, CR4_SMAP
    mov byte ptr [rip + smap_enabled], 1
.no_smap:
    pv_read_cr4 rcx
    or rcx, rax
    or rcx, CR4_PGE
    pv_write_cr4 rcx
    pop rbx
    ret

# Ends the run with status EDI.
end_run:
    pv_irq_disable
    mov eax, edi
    mov edx, PORT_EXIT
    pv_out32
halt_for_ever:
    pv_irq_disable
    pv_halt
    jmp halt_for_ever

@kernel_data
.align 64
result:                             # the run's outcome
    .zero 512
parameters:
    .zero PARAMETERS * 8
ram_bytes: .quad 0
smap_enabled: .byte 0
greeting: .asciz "trapbench kernel\n"
.align 16
boot_stack:                         # later the idle process's stack
    .zero BOOT_STACK_BYTES
boot_stack_top:
