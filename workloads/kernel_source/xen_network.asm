# The network's front end under Xen (public header io/netif.h): two rings, whose requests name granted pages.

.set NETIF_ENTRIES, 256             # of either ring
.set NETIF_SEND_BYTES, 12
.set NETIF_RECEIVE_BYTES, 8

@kernel
start_xen_network:
    mov rdi, [rip + dma_block]
    add rdi, DMA_SEND_RING
    mov [rip + xen_send_ring], rdi
    call clear_ring
    mov dword ptr [rdi + RING_RESPONSE_EVENT], 0    # no events for what has been sent
    add rdi, DMA_RECEIVE_PAGE_RING - DMA_SEND_RING
    mov [rip + xen_receive_ring], rdi
    call clear_ring
    mov edi, VECTOR_NETWORK
    lea rsi, [rip + xen_network_event]
    call open_channel
    mov [rip + xen_network_port], eax
    lea rdi, [rip + network_channel_path]
    mov esi, eax
    call store_number
    lea rdi, [rip + send_ring_path]
    mov esi, DMA_SEND_RING >> 12
    call store_number
    lea rdi, [rip + receive_ring_path]
    mov esi, DMA_RECEIVE_PAGE_RING >> 12
    call store_number
    lea rdi, [rip + receive_copy_path]
    mov esi, 1
    call store_number
    lea rdi, [rip + network_state_path]
    mov esi, XENBUS_CONNECTED
    call store_number
    mov edi, RING_ENTRIES
    call xen_release
    lea rax, [rip + xen_routines]
    mov [rip + network_routines], rax
    ret

# RDI = buffer, ESI = bytes
xen_send:
    mov ecx, [rip + xen_send_requests]
    mov eax, ecx
    and eax, NETIF_ENTRIES - 1
    lea eax, [rax + rax*2]          # times 12
    mov rdx, [rip + xen_send_ring]
    lea rdx, [rdx + rax*4 + RING_START]
    sub rdi, [rip + dma_block]
    shr edi, BUFFER_SHIFT
    mov [rdx], edi                  # grant
    mov dword ptr [rdx + 4], 0      # offset, flags
    mov [rdx + 8], di
    mov [rdx + 10], si
    inc ecx
    mov [rip + xen_send_requests], ecx
    mov rdx, [rip + xen_send_ring]
    mov [rdx + RING_REQUESTS], ecx
    ret

xen_kick:
    mov rdi, [rip + xen_send_ring]
    mov ecx, [rip + xen_send_requests]
    lea r8, [rip + xen_send_told]
    lea rsi, [rip + xen_network_port]
    jmp push_requests

xen_reclaim:
    mov rdi, [rip + xen_send_ring]
    mov eax, [rdi + RING_RESPONSES]
    mov ecx, eax
    sub eax, [rip + xen_send_seen]
    mov [rip + xen_send_seen], ecx
    ret

xen_await_sent:                     # EDI = whether to be told, when half of what is out has been sent
    mov rdx, [rip + xen_send_ring]
    mov eax, [rip + xen_send_seen]
    test edi, edi
    jz .no_longer
    mov ecx, [rip + xen_send_requests]
    sub ecx, eax
    shr ecx, 1
    lea eax, [rax + rcx + 1]
.no_longer:                         # a count that has been passed
    mov [rdx + RING_RESPONSE_EVENT], eax
    mfence
    ret

xen_receive:
    mov rdi, [rip + xen_receive_ring]
    mov ecx, [rip + xen_receive_seen]
    cmp [rdi + RING_RESPONSES], ecx
    jne .some
    lea eax, [rcx + 1]
    mov [rdi + RING_RESPONSE_EVENT], eax
    mfence                          # one may have come just before
    cmp [rdi + RING_RESPONSES], ecx
    jne .some
    xor eax, eax
    ret
.some:
    inc dword ptr [rip + xen_receive_seen]
    and ecx, NETIF_ENTRIES - 1
    lea rdi, [rdi + rcx*8 + RING_START]
    movzx eax, word ptr [rdi]
    movzx edx, word ptr [rdi + 6]
    shl eax, BUFFER_SHIFT
    add rax, [rip + dma_block]
    add rax, DMA_RECEIVE
    ret

xen_release:                        # EDI = buffers
    mov ecx, [rip + xen_receive_requests]
    mov r8, [rip + xen_receive_ring]
.next:
    mov eax, ecx
    and eax, RING_ENTRIES - 1       # the buffer's number
    mov edx, ecx
    and edx, NETIF_ENTRIES - 1
    mov [r8 + rdx*8 + RING_START], eax
    add eax, DMA_RECEIVE >> 12
    mov [r8 + rdx*8 + RING_START + 4], eax
    inc ecx
    dec edi
    jnz .next
    mov [rip + xen_receive_requests], ecx
    mov rdi, r8
    lea r8, [rip + xen_receive_told]
    lea rsi, [rip + xen_network_port]
    jmp push_requests

xen_network_event:
    inc qword ptr [rip + network_interrupts]
    ret

@kernel_data
.align 8
xen_routines:
    .quad xen_send, xen_kick, xen_reclaim, xen_receive, xen_release, xen_await_sent
xen_send_ring: .quad 0
xen_receive_ring: .quad 0
xen_send_requests: .long 0          # produced
xen_send_told: .long 0
xen_send_seen: .long 0              # responses consumed
xen_receive_requests: .long 0
xen_receive_told: .long 0
xen_receive_seen: .long 0
xen_network_port: .long 0
send_ring_path: .asciz "device/vif/0/tx-ring-ref"
receive_ring_path: .asciz "device/vif/0/rx-ring-ref"
receive_copy_path: .asciz "device/vif/0/request-rx-copy"
network_channel_path: .asciz "device/vif/0/event-channel"
network_state_path: .asciz "device/vif/0/state"
