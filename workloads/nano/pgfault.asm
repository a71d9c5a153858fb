#: title = "Page fault"
#: stresses = "a page fault that is the guest's own: delivery to its handler and IRET"
#: outcome = "result 0 is the number of faults taken, result 1 the last fault address, result 2 its error code"
#: small = { iterations = 3000 }
#: standard = { iterations = 30000 }
#: large = { iterations = 300000 }

# Adams and Agesen (ASPLOS 2006), nanobenchmark "pgfault": a load from a page that the guest has not mapped. The
# handler is as short as it can be: it counts, and skips the load.

.set HOLE, 0xffffffffc0100000       # between the local APIC's page and the end of its page table
.set LOAD_BYTES, 2

@kernel
workload_main:
    push rbx
    push r12
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov edi, VECTOR_PAGE_FAULT
    lea rsi, [rip + skip_load]
    call set_gate
    mov rbx, HOLE
    mov rcx, r12
    xor r8d, r8d                    # faults
    xor r9d, r9d                    # error code
    ROI_BEGIN
.next:
    .byte 0x8b, 0x03                # mov eax, [rbx]
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    pv_read_fault_address rax
    mov [rip + result + 8], rax
    mov [rip + result + 16], r9
    mov edi, VECTOR_PAGE_FAULT
    lea rsi, [rip + exception_stubs + (VECTOR_PAGE_FAULT << EXCEPTION_STUB_SHIFT)]
    call set_gate
    xor eax, eax
    cmp [rip + result], r12
    setne al
    pop r12
    pop rbx
    ret

skip_load:
    pv_trap_entry
    inc r8
    mov r9, [rsp]
    add qword ptr [rsp + 8], LOAD_BYTES
    add rsp, 8
    pv_interrupt_return
