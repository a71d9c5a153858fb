# Console output: a 16550 UART at COM1, polled (National Semiconductor PC16550D data sheet).

.set UART_DATA, PORT_UART
.set UART_INTERRUPT_ENABLE, PORT_UART + 1
.set UART_FIFO_CONTROL, PORT_UART + 2
.set UART_LINE_CONTROL, PORT_UART + 3
.set UART_MODEM_CONTROL, PORT_UART + 4
.set UART_LINE_STATUS_PORT, PORT_UART + 5
.set LINE_8N1, 0x03
.set LINE_DIVISOR_LATCH, 0x80
.set STATUS_TRANSMITTER_EMPTY, 0x20
.set UART_SETTINGS, 7

@kernel
initialise_uart:
    lea rsi, [rip + uart_settings]
    mov ecx, UART_SETTINGS
.next:
    movzx edx, word ptr [rsi]
    mov al, [rsi + 2]
    pv_out8
    add rsi, 3
    dec ecx
    jnz .next
    ret

# RDI = text, RSI = length
write_characters:
    test rsi, rsi
    jz .done
    mov al, [rdi]
    call write_character
    inc rdi
    dec rsi
    jmp write_characters
.done:
    ret

# RDI = text that ends with a zero
write_string:
    mov al, [rdi]
    test al, al
    jz .done
    call write_character
    inc rdi
    jmp write_string
.done:
    ret

# AL = character
write_character:
    mov ah, al
    mov edx, UART_LINE_STATUS_PORT
.wait:
    pv_in8
    test al, STATUS_TRANSMITTER_EMPTY
    jz .wait
    mov al, ah
    mov edx, UART_DATA
    pv_out8
    ret

@kernel_data
uart_settings:                      # port, value
    .word UART_INTERRUPT_ENABLE; .byte 0
    .word UART_LINE_CONTROL; .byte LINE_DIVISOR_LATCH
    .word UART_DATA; .byte 1        # 115200 bits per second
    .word UART_INTERRUPT_ENABLE; .byte 0
    .word UART_LINE_CONTROL; .byte LINE_8N1
    .word UART_FIFO_CONTROL; .byte 0xc7
    .word UART_MODEM_CONTROL; .byte 0x03
