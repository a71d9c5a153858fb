#: title = "Division by zero"
#: stresses = "an exception that has nothing to do with virtualization"
#: outcome = "result 0 is the number of exceptions taken"
#: small = { iterations = 3000 }
#: standard = { iterations = 30000 }
#: large = { iterations = 300000 }

# Adams and Agesen (ASPLOS 2006), nanobenchmark "divzero": #DE is delivered by the processor unless a VMM wants
# to see it. The handler counts, and skips the division.

.set DIVISION_BYTES, 2

@kernel
workload_main:
    push r12
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov edi, VECTOR_DIVIDE_ERROR
    lea rsi, [rip + skip_division]
    call set_gate
    mov rcx, r12
    xor r8d, r8d                    # exceptions
    xor esi, esi
    xor edx, edx
    mov eax, 1
    ROI_BEGIN
.next:
    .byte 0xf7, 0xf6                # div esi
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    mov edi, VECTOR_DIVIDE_ERROR
    lea rsi, [rip + exception_stubs]
    call set_gate
    mov rdx, [rip + result]
    xor eax, eax
    cmp rdx, r12
    setne al
    pop r12
    ret

skip_division:
    pv_trap_entry
    inc r8
    add qword ptr [rsp], DIVISION_BYTES
    pv_interrupt_return
