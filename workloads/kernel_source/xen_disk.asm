# The disk's front end under Xen (public header io/blkif.h): a request names up to 11 granted pages.

.set BLKIF_BYTES, 112
.set BLKIF_ENTRIES, 32
.set BLKIF_SEGMENTS, 11
.set BLKIF_ID, 8
.set BLKIF_SECTOR, 16
.set BLKIF_SEGMENT, 24
.set BLKIF_STATUS, 10               # of a response
.set SECTORS_PER_PAGE, 8

@kernel
start_xen_disk:
    mov rdi, [rip + dma_block]
    add rdi, DMA_DISK_RING
    mov [rip + xen_disk_ring], rdi
    call clear_ring
    mov edi, VECTOR_DISK
    lea rsi, [rip + xen_disk_event]
    call open_channel
    mov [rip + xen_disk_port], eax
    lea rdi, [rip + disk_channel_path]
    mov esi, eax
    call store_number
    lea rdi, [rip + disk_ring_path]
    mov esi, DMA_DISK_RING >> 12
    call store_number
    lea rdi, [rip + disk_state_path]
    mov esi, XENBUS_INITIALISED
    call store_number
    lea rax, [rip + xen_transfer]
    mov [rip + disk_routine], rax
    ret

# As disk_transfer: as many requests as the sectors need, told of and waited for together.
xen_transfer:
    push rbx
    push rbp
    push r12
    mov ebx, [rip + xen_disk_requests]
    mov ebp, DMA_DISK >> 12         # grant of the first page
    mov r12d, edi
    mov r9d, edx                    # sectors left
.next_request:
    mov rdi, [rip + xen_disk_ring]
    mov eax, ebx
    and eax, BLKIF_ENTRIES - 1
    imul eax, eax, BLKIF_BYTES
    lea r8, [rdi + rax + RING_START]
    mov [r8], r12b                  # operation: DISK_READ and DISK_WRITE are blkif's numbers
    mov word ptr [r8 + 2], 0
    mov [r8 + BLKIF_ID], rbx
    mov [r8 + BLKIF_SECTOR], rsi
    xor ecx, ecx
.next_segment:
    mov [r8 + rcx*8 + BLKIF_SEGMENT], ebp
    mov eax, SECTORS_PER_PAGE
    cmp r9d, eax
    cmovb eax, r9d
    sub r9d, eax
    add rsi, rax
    dec eax
    shl eax, 8                      # first sector 0, last sector
    mov [r8 + rcx*8 + BLKIF_SEGMENT + 4], eax
    inc ebp
    inc ecx
    test r9d, r9d
    jz .filled
    cmp ecx, BLKIF_SEGMENTS
    jb .next_segment
.filled:
    mov [r8 + 1], cl
    inc ebx
    test r9d, r9d
    jnz .next_request
    mov [rip + xen_disk_requests], ebx
    mov rdi, [rip + xen_disk_ring]
    mov [rdi + RING_RESPONSE_EVENT], ebx
    mov ecx, ebx
    lea r8, [rip + xen_disk_told]
    lea rsi, [rip + xen_disk_port]
    call push_requests
.wait:
    mov rdi, [rip + xen_disk_ring]
    cmp [rdi + RING_RESPONSES], ebx
    je .done
    call wait_for_device
    jmp .wait
.done:
    xor eax, eax
.next_response:                     # EAX = any status that is not 0
    mov ecx, [rip + xen_disk_seen]
    inc dword ptr [rip + xen_disk_seen]
    and ecx, BLKIF_ENTRIES - 1
    imul ecx, ecx, BLKIF_BYTES
    movsx ecx, word ptr [rdi + rcx + RING_START + BLKIF_STATUS]
    or eax, ecx
    cmp [rip + xen_disk_seen], ebx
    jb .next_response
    pop r12
    pop rbp
    pop rbx
    ret

xen_disk_event:
    inc qword ptr [rip + disk_interrupts]
    ret

@kernel_data
.align 8
xen_disk_ring: .quad 0
xen_disk_requests: .long 0          # produced
xen_disk_told: .long 0
xen_disk_seen: .long 0              # responses consumed
xen_disk_port: .long 0
disk_ring_path: .asciz "device/vbd/51712/ring-ref"
disk_channel_path: .asciz "device/vbd/51712/event-channel"
disk_state_path: .asciz "device/vbd/51712/state"
