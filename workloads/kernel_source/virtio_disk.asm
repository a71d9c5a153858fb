# The virtio block device (specification 0.9.5, appendix D): a request is a header, data and a status byte.

.set REQUEST_HEADER, DMA_HEADERS + 0x800
.set REQUEST_STATUS, REQUEST_HEADER + 16
.set DMA_DISK_QUEUE, DMA_QUEUES

@kernel
start_virtio_disk:                  # EBX = configuration address
    push rbp
    mov edi, VECTOR_DISK
    lea rsi, [rip + disk_stub]
    lea rdx, [rip + virtio_disk_interrupt]
    call take_vector
    mov esi, VECTOR_DISK
    call virtio_begin
    xor edi, edi
    lea rsi, [rip + virtio_disk_queue]
    mov edx, DMA_DISK_QUEUE
    call virtio_open_queue
    mov al, VIRTIO_STATUS_READY
    call virtio_set_status
    lea rax, [rip + virtio_transfer]
    mov [rip + disk_routine], rax
    pop rbp
    ret

virtio_transfer:                    # as disk_transfer
    push rbx
    push rbp
    mov rbx, [rip + dma_block]
    mov [rbx + REQUEST_HEADER], edi
    mov dword ptr [rbx + REQUEST_HEADER + 4], 0
    mov [rbx + REQUEST_HEADER + 8], rsi
    mov ebp, edx
    shl ebp, 9                      # bytes
    mov r11d, edi
    mov r8, [rip + virtio_disk_queue + QUEUE_POINTER]
    xor ecx, ecx
    lea rax, [rbx + REQUEST_HEADER]
    mov edx, 16
    mov r9d, DESCRIPTOR_NEXT
    call virtio_describe
    mov ecx, 1
    lea rax, [rbx + DMA_DISK]
    mov edx, ebp
    mov r9d, DESCRIPTOR_NEXT
    test r11d, r11d
    jnz .write
    or r9d, DESCRIPTOR_WRITE
.write:
    call virtio_describe
    mov ecx, 2
    lea rax, [rbx + REQUEST_STATUS]
    mov edx, 1
    mov r9d, DESCRIPTOR_WRITE
    call virtio_describe
    lea rsi, [rip + virtio_disk_queue]
    xor ecx, ecx
    call virtio_add
    mov edi, 1
    call virtio_want_interrupt
    call virtio_kick
.wait:
    lea rsi, [rip + virtio_disk_queue]
    call virtio_used
    test eax, eax
    jnz .done
    call wait_for_device
    jmp .wait
.done:
    call virtio_take
    movzx eax, byte ptr [rbx + REQUEST_STATUS]
    pop rbp
    pop rbx
    ret

virtio_disk_interrupt:
    pv_end_of_interrupt
    inc qword ptr [rip + disk_interrupts]
    ret

@kernel_data
.align 8
virtio_disk_queue:
    .zero QUEUE_RECORD
