#: title = "IN from a device"
#: stresses = "port input that a device answers: the UART's line status"
#: outcome = "result 0 is the sum of the bytes read (0x60 each: ready)"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    mov edx, UART_LINE_STATUS_PORT
    xor r8d, r8d
    xor eax, eax
    ROI_BEGIN
.next:
    in al, dx
    add r8, rax
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    xor eax, eax
    ret
