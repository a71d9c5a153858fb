#: title = "LGDT"
#: stresses = "loads of a descriptor-table register, which early VT-x leaves to the guest"
#: outcome = "result 0 is the base of the GDT, as SGDT shows it"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }
#: [expect]
#: trap-and-emulate = "failed"  # SGDT shows the VMM's table

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    lea rdx, [rip + gdt_pointer]
    ROI_BEGIN
.next:
    lgdt [rdx]
    dec rcx
    jnz .next
    ROI_END
    sgdt [rip + stored_pointer]
    mov rax, [rip + stored_pointer + 2]
    mov [rip + result], rax
    lea rcx, [rip + gdt]
    sub rax, rcx
    ret

@kernel_data
stored_pointer: .zero 10
