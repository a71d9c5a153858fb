#: title = "Overlapping instructions"
#: stresses = "jumps into the middle of instructions: one byte belongs to two of them"
#: outcome = "result 0 is the value left by the two readings of the same bytes, result 1 the number of rounds"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

# From its start the function below reads MOV EAX, 0x90C3C0FF; RET, from its second byte INC EAX; RET.

.set LITERAL, 0x90c3c0ff

@kernel
workload_main:
    push rbx
    mov rbx, [rdi + PARAM_ITERATIONS * 8]
    xor ecx, ecx
    lea rsi, [rip + overlapping]
    lea rdi, [rip + inside]
    ROI_BEGIN
.next:
    call rsi
    call rdi
    call inside
    inc rcx
    cmp rcx, rbx
    jb .next
    ROI_END
    mov [rip + result], rax
    mov [rip + result + 8], rcx
    mov ecx, LITERAL + 2
    sub rax, rcx
    pop rbx
    ret

overlapping:
    .byte 0xb8
inside:
    .byte 0xff, 0xc0, 0xc3, 0x90, 0xc3
