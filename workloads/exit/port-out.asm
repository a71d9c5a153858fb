#: title = "OUT to a device"
#: stresses = "port output that a device takes: the UART's scratch register"
#: outcome = "result 0 is the register's last value, the low byte of the last iteration's number (1)"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

.set UART_SCRATCH, PORT_UART + 7

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    mov edx, UART_SCRATCH
    ROI_BEGIN
.next:
    mov eax, ecx
    out dx, al
    dec rcx
    jnz .next
    ROI_END
    xor eax, eax
    in al, dx
    mov [rip + result], rax
    sub eax, 1
    ret
