# Virtio over PCI, legacy interface (Virtual I/O Device Specification 0.9.5): finding a device's queues, putting
# buffers in, taking them out, and saying so only when the other side wants to hear it.
#
# A queue of 128 entries, in two pages:
#
#   0x0000  descriptors: address u64, length u32, flags u16, next u16
#   0x0800  available: flags u16, index u16, 128 heads u16, used_event u16     written by the driver
#   0x1000  used: flags u16, index u16, 128 of (head u32, bytes u32), avail_event u16    by the device
#
# With VIRTIO_RING_F_EVENT_IDX each side names the index whose passing it wants to be told of; without, a flag
# says whether it wants to be told at all.

.set VIRTIO_DEVICE_FEATURES, 0      # ports
.set VIRTIO_DRIVER_FEATURES, 4
.set VIRTIO_QUEUE_FRAME, 8
.set VIRTIO_QUEUE_SELECT, 14
.set VIRTIO_QUEUE_NOTIFY, 16
.set VIRTIO_STATUS, 18
.set VIRTIO_QUEUE_VECTOR, 22
.set VIRTIO_STATUS_FOUND, 3         # acknowledged, and there is a driver
.set VIRTIO_STATUS_READY, 7
.set VIRTIO_EVENT_INDEX, 1 << 29

.set VIRTQUEUE_ENTRIES, 128
.set VIRTQUEUE_BYTES, 0x2000
.set AVAILABLE, 0x800
.set AVAILABLE_FLAGS, AVAILABLE
.set AVAILABLE_INDEX, AVAILABLE + 2
.set AVAILABLE_RING, AVAILABLE + 4
.set USED_EVENT, AVAILABLE_RING + 2 * VIRTQUEUE_ENTRIES
.set USED_FLAGS, 0x1000
.set USED_INDEX, 0x1002
.set USED_RING, 0x1004
.set AVAILABLE_EVENT, USED_RING + 8 * VIRTQUEUE_ENTRIES
.set NO_INTERRUPT, 1
.set NO_NOTIFY, 1
.set DESCRIPTOR_NEXT, 1
.set DESCRIPTOR_WRITE, 2            # by the device

# The driver's record of a queue.
.set QUEUE_POINTER, 0
.set QUEUE_PORT, 8                  # of notifications
.set QUEUE_NUMBER, 12
.set QUEUE_SEEN, 16                 # used index up to which buffers were taken out; 16 bits
.set QUEUE_TOLD, 20                 # available index when the device was last told
.set QUEUE_RECORD, 24

@kernel
# EBX = configuration address -> EBP = first port; features are agreed on, messages of EDI lead to vector ESI
virtio_begin:
    push r12
    push rsi
    xor edi, edi
    call read_port_base
    mov ebp, eax
    mov edi, 1                      # the message table's registers
    mov esi, 1
    call map_registers
    mov r12, rax
    pop rax
    mov dword ptr [r12], MESSAGE_ADDRESS
    mov dword ptr [r12 + 4], 0
    mov [r12 + 8], eax
    mov dword ptr [r12 + 12], 0
    mov edi, CAPABILITY_MSI_X
    call find_capability
    mov esi, eax
    or esi, 0x80000000              # MSI-X enable
    call write_configuration
    mov al, 0                       # reset
    call virtio_set_status
    mov al, VIRTIO_STATUS_FOUND
    call virtio_set_status
    mov edx, ebp
    pv_in32
    and eax, VIRTIO_EVENT_INDEX
    mov [rip + virtio_event_index], eax
    lea edx, [rbp + VIRTIO_DRIVER_FEATURES]
    pv_out32
    pop r12
    ret

# AL = status
virtio_set_status:
    lea edx, [rbp + VIRTIO_STATUS]
    pv_out8
    ret

# EBP = first port, EDI = queue number, RSI = its record, EDX = its offset in the block of devices' memory
virtio_open_queue:
    mov rax, [rip + dma_block]
    add rax, rdx
    mov [rsi + QUEUE_POINTER], rax
    mov [rsi + QUEUE_NUMBER], edi
    lea edx, [rbp + VIRTIO_QUEUE_NOTIFY]
    mov [rsi + QUEUE_PORT], edx
    call to_bus_address
    mov ecx, eax
    shr ecx, 12
    mov eax, edi
    lea edx, [rbp + VIRTIO_QUEUE_SELECT]
    pv_out16
    mov eax, ecx
    lea edx, [rbp + VIRTIO_QUEUE_FRAME]
    pv_out32
    xor eax, eax                    # entry 0 of the message table
    lea edx, [rbp + VIRTIO_QUEUE_VECTOR]
    pv_out16
    ret

# R8 = queue, ECX = descriptor, RAX = buffer in the block, EDX = bytes, R9W = flags; the next one is ECX + 1
virtio_describe:
    call to_bus_address
    mov r10d, ecx
    shl r10d, 4
    add r10, r8
    mov [r10], rax
    mov [r10 + 8], edx
    mov [r10 + 12], r9w
    lea eax, [rcx + 1]
    mov [r10 + 14], ax
    ret

# RSI = record, ECX = head: to be made available
virtio_add:
    mov r8, [rsi + QUEUE_POINTER]
    movzx eax, word ptr [r8 + AVAILABLE_INDEX]
    mov edx, eax
    and edx, VIRTQUEUE_ENTRIES - 1
    mov [r8 + rdx*2 + AVAILABLE_RING], cx
    inc eax
    mov [r8 + AVAILABLE_INDEX], ax
    ret

# RSI = record: tell the device of what was added, unless it does not want to know
virtio_kick:
    mov r8, [rsi + QUEUE_POINTER]
    mfence                          # the index is out before the device's wish is read
    movzx eax, word ptr [r8 + AVAILABLE_INDEX]
    mov ecx, eax
    sub cx, [rsi + QUEUE_TOLD]      # added since
    mov [rsi + QUEUE_TOLD], ax
    cmp dword ptr [rip + virtio_event_index], 0
    jne .by_index
    test byte ptr [r8 + USED_FLAGS], NO_NOTIFY
    jnz .not_wanted
    test cx, cx
    jnz .tell
    ret
.by_index:
    sub ax, [r8 + AVAILABLE_EVENT]
    dec ax
    cmp ax, cx
    jae .not_wanted
.tell:
    mov eax, [rsi + QUEUE_NUMBER]
    mov edx, [rsi + QUEUE_PORT]
    pv_out16
.not_wanted:
    ret

# RSI = record -> EAX = buffers used and not yet taken out
virtio_used:
    mov r8, [rsi + QUEUE_POINTER]
    movzx eax, word ptr [r8 + USED_INDEX]
    sub ax, [rsi + QUEUE_SEEN]
    movzx eax, ax
    ret

# RSI = record; there is a used buffer -> EAX = its head, EDX = bytes written
virtio_take:
    mov r8, [rsi + QUEUE_POINTER]
    movzx ecx, word ptr [rsi + QUEUE_SEEN]
    inc word ptr [rsi + QUEUE_SEEN]
    and ecx, VIRTQUEUE_ENTRIES - 1
    mov eax, [r8 + rcx*8 + USED_RING]
    mov edx, [r8 + rcx*8 + USED_RING + 4]
    ret

# RSI = record, EDI = buffers: interrupt when that many more have been used
virtio_want_interrupt:
    mov r8, [rsi + QUEUE_POINTER]
    mov eax, [rsi + QUEUE_SEEN]
    lea eax, [rax + rdi - 1]
    mov [r8 + USED_EVENT], ax
    mov word ptr [r8 + AVAILABLE_FLAGS], 0
    mfence                          # the wish is out before the used index is looked at again
    ret

# RSI = record: no interrupts
virtio_want_quiet:
    mov r8, [rsi + QUEUE_POINTER]
    mov eax, [rsi + QUEUE_SEEN]
    add eax, 0x7fff                 # far ahead
    mov [r8 + USED_EVENT], ax
    mov word ptr [r8 + AVAILABLE_FLAGS], NO_INTERRUPT
    ret

@kernel_data
virtio_event_index: .long 0         # whether the device has the feature
