# The end, when the kernel cannot go on: a line on the console, and a status that no workload uses.

.set STATUS_PANIC, 255

@kernel
# RDI = text
panic:
    pv_irq_disable
    push rdi
    lea rdi, [rip + panic_text]
    call write_string
    pop rdi
    call write_string
    lea rdi, [rip + line_end]
    call write_string
    mov edi, STATUS_PANIC
    jmp end_run

# RDI = trap frame of an exception in the kernel
panic_exception:
    mov rbx, rdi
    lea rdi, [rip + panic_text]
    call write_string
    lea rdi, [rip + exception_text]
    call write_string
    .irp field, FRAME_VECTOR, FRAME_ERROR, FRAME_RIP
    mov rdi, [rbx + \field]
    call write_number
    .endr
    pv_read_fault_address rdi
    call write_number
    lea rdi, [rip + line_end]
    call write_string
    mov edi, STATUS_PANIC
    jmp end_run

# RDI = number: in hexadecimal, with a space
write_number:
    push rbx
    push rbp
    mov rbx, rdi
    mov ebp, 16
.next:
    rol rbx, 4
    mov eax, ebx
    and eax, 15
    cmp al, 10
    jb .decimal
    add al, 'a' - '0' - 10
.decimal:
    add al, '0'
    call write_character
    dec ebp
    jnz .next
    mov al, ' '
    call write_character
    pop rbp
    pop rbx
    ret

@kernel_data
panic_text: .asciz "kernel panic: "
exception_text: .asciz "exception (vector, error code, RIP, CR2): "
line_end: .asciz "\n"
