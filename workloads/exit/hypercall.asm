#: title = "VMCALL to a VMM that does not show itself"
#: stresses = "the shortest way into a VMM and back"
#: outcome = "result 0 is the number of times that VMCALL was refused as an invalid opcode: all"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

# On the bare machine VMCALL is an invalid opcode outside VMX operation (Intel SDM vol. 3C, section 31.3). A VMM
# that gives full virtualization and offers no hypercalls lets the guest see the same: it takes the exit and
# injects #UD. Were the call to succeed under a VMM, the guest could tell the two apart.

.set CALL_BYTES, 3

@kernel
workload_main:
    push r12
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov edi, VECTOR_INVALID_OPCODE
    lea rsi, [rip + skip_call]
    call set_gate
    mov rcx, r12
    xor r8d, r8d                    # refusals
    ROI_BEGIN
.next:
    vmcall
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    mov edi, VECTOR_INVALID_OPCODE
    lea rsi, [rip + exception_stubs + (VECTOR_INVALID_OPCODE << EXCEPTION_STUB_SHIFT)]
    call set_gate
    xor eax, eax
    cmp [rip + result], r12
    setne al
    pop r12
    ret

skip_call:
    inc r8
    add qword ptr [rsp], CALL_BYTES
    iretq
