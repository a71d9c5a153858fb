# The virtio network device (specification 0.9.5, appendix C): queue 0 receives, queue 1 transmits.
#
# A buffer is two descriptors, a header of 10 bytes and the frame. Buffer n has descriptors 2n and 2n + 1.

.set VIRTIO_NETWORK_HEADER, 10
.set SEND_HEADER, DMA_HEADERS       # one of zeroes, for all frames
.set RECEIVE_HEADERS, DMA_HEADERS + 0x100
.set DMA_RECEIVE_QUEUE, DMA_QUEUES + VIRTQUEUE_BYTES
.set DMA_SEND_QUEUE, DMA_QUEUES + 2 * VIRTQUEUE_BYTES

@kernel
start_virtio_network:               # EBX = configuration address
    push rbp
    mov edi, VECTOR_NETWORK
    lea rsi, [rip + network_stub]
    lea rdx, [rip + virtio_network_interrupt]
    call take_vector
    mov esi, VECTOR_NETWORK
    call virtio_begin
    xor edi, edi
    lea rsi, [rip + receive_queue]
    mov edx, DMA_RECEIVE_QUEUE
    call virtio_open_queue
    mov edi, 1
    lea rsi, [rip + send_queue]
    mov edx, DMA_SEND_QUEUE
    call virtio_open_queue
    mov al, VIRTIO_STATUS_READY
    call virtio_set_status
    lea rsi, [rip + send_queue]
    call virtio_want_quiet
    lea rsi, [rip + receive_queue]
    mov edi, 1
    call virtio_want_interrupt
    mov edi, RING_ENTRIES
    call virtio_release
    lea rax, [rip + virtio_routines]
    mov [rip + network_routines], rax
    pop rbp
    ret

# RDI = buffer, ESI = bytes
virtio_send:
    push rbx
    mov rbx, [rip + dma_block]
    mov r11, rdi
    mov ecx, edi
    sub ecx, ebx
    sub ecx, DMA_TRANSMIT
    shr ecx, BUFFER_SHIFT - 1       # twice the buffer's number
    mov r8, [rip + send_queue + QUEUE_POINTER]
    lea rax, [rbx + SEND_HEADER]
    mov edx, VIRTIO_NETWORK_HEADER
    mov r9d, DESCRIPTOR_NEXT
    call virtio_describe
    inc ecx
    mov rax, r11
    mov edx, esi
    xor r9d, r9d
    call virtio_describe
    dec ecx
    lea rsi, [rip + send_queue]
    call virtio_add
    pop rbx
    ret

virtio_kick_sending:
    lea rsi, [rip + send_queue]
    jmp virtio_kick

virtio_reclaim:
    lea rsi, [rip + send_queue]
    call virtio_used
    add [rsi + QUEUE_SEEN], ax
    ret

virtio_receive:
    lea rsi, [rip + receive_queue]
    call virtio_used
    test eax, eax
    jnz .some
    mov edi, 1
    call virtio_want_interrupt
    call virtio_used                # one may have come just before
    test eax, eax
    jnz .some
    xor eax, eax
    ret
.some:
    call virtio_want_quiet
    call virtio_take
    sub edx, VIRTIO_NETWORK_HEADER
    shl eax, BUFFER_SHIFT - 1
    add rax, [rip + dma_block]
    add rax, DMA_RECEIVE
    ret

virtio_release:                     # EDI = buffers
    push rbx
    push rbp
    mov ebp, edi
.next:
    mov rbx, [rip + dma_block]
    mov ecx, [rip + virtio_release_next]
    mov edx, ecx
    inc edx
    and edx, RING_ENTRIES - 1
    mov [rip + virtio_release_next], edx
    mov eax, ecx
    shl eax, BUFFER_SHIFT
    lea r11, [rbx + rax + DMA_RECEIVE]
    mov eax, ecx
    shl eax, 4
    lea rax, [rbx + rax + RECEIVE_HEADERS]
    add ecx, ecx
    mov r8, [rip + receive_queue + QUEUE_POINTER]
    mov edx, VIRTIO_NETWORK_HEADER
    mov r9d, DESCRIPTOR_NEXT | DESCRIPTOR_WRITE
    call virtio_describe
    inc ecx
    mov rax, r11
    mov edx, PAGE
    mov r9d, DESCRIPTOR_WRITE
    call virtio_describe
    dec ecx
    lea rsi, [rip + receive_queue]
    call virtio_add
    dec ebp
    jnz .next
    call virtio_kick
    pop rbp
    pop rbx
    ret

virtio_await_sent:                  # EDI = whether to be told, when half of what is out has been sent
    lea rsi, [rip + send_queue]
    test edi, edi
    jz virtio_want_quiet
    mov r8, [rsi + QUEUE_POINTER]
    movzx edi, word ptr [r8 + AVAILABLE_INDEX]
    sub di, [rsi + QUEUE_SEEN]
    shr edi, 1
    inc edi
    jmp virtio_want_interrupt

virtio_network_interrupt:
    pv_end_of_interrupt
    inc qword ptr [rip + network_interrupts]
    ret

@kernel_data
.align 8
virtio_routines:
    .quad virtio_send, virtio_kick_sending, virtio_reclaim, virtio_receive, virtio_release, virtio_await_sent
receive_queue:
    .zero QUEUE_RECORD
send_queue:
    .zero QUEUE_RECORD
virtio_release_next: .long 0
