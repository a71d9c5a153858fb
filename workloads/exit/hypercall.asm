#: title = "The shortest way into a VMM: a call that is refused"
#: stresses = "the shortest way into a VMM and back"
#: outcome = "result 0 is the number of calls refused: all, VMCALL as an invalid opcode"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

# On the bare machine VMCALL is an invalid opcode outside VMX operation (Intel SDM vol. 3C, section 31.3). A VMM
# that gives full virtualization and offers no hypercalls lets the guest see the same: it takes the exit and
# injects #UD. Were the call to succeed under a VMM, the guest could tell the two apart. The ported kernel asks Xen
# for a hypercall that does not exist, and is refused as often.

.set CALL_BYTES, 3
.set NO_HYPERCALL, 63
.set NOT_IMPLEMENTED, -38

@kernel
workload_main:
    push rbx
    push r12
    mov r12, [rdi + PARAM_ITERATIONS * 8]
.ifndef PV
    mov edi, VECTOR_INVALID_OPCODE
    lea rsi, [rip + skip_call]
    call set_gate
.endif
    mov rbx, r12
    xor r8d, r8d                    # refusals
    ROI_BEGIN
.next:
.ifdef PV
    HYPERCALL NO_HYPERCALL
    cmp rax, NOT_IMPLEMENTED
    sete al
    movzx eax, al
    add r8, rax
.else
    vmcall
.endif
    dec rbx
    jnz .next
    ROI_END
    mov [rip + result], r8
.ifndef PV
    mov edi, VECTOR_INVALID_OPCODE
    lea rsi, [rip + exception_stubs + (VECTOR_INVALID_OPCODE << EXCEPTION_STUB_SHIFT)]
    call set_gate
.endif
    xor eax, eax
    cmp [rip + result], r12
    setne al
    pop r12
    pop rbx
    ret

.ifndef PV
skip_call:
    inc r8
    add qword ptr [rsp], CALL_BYTES
    iretq
.endif
