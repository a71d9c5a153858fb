# Disk and network for workloads that need them: one interface, whatever device the machine shows.
#
#   initialise_devices   finds the devices, once
#   disk_transfer        one request, waited for
#   network_buffer, network_send, network_kick      a frame's buffer; queue it; tell the device
#   network_receive, network_release                a frame that has come; give its buffer back
#   network_wait         until the device has something to say
#
# All memory that devices touch is one block of 2 MiB, so that its parts are contiguous:
#
#   0x00000  disk: table of regions         0x10000  disk buffer, 64 KiB
#   0x01000  card: receive ring             0x80000  receive buffers, a page each
#   0x02000  card: transmit ring            0xc0000  transmit buffers, a page each
#   0x04000  virtqueues, 2 pages each       0x0a000  headers of virtqueue buffers
#
# Drivers run with interrupts off; they are taken in network_wait and while a disk request is waited for.

.set DMA_REGIONS, 0x00000
.set DMA_RECEIVE_RING, 0x01000
.set DMA_TRANSMIT_RING, 0x02000
.set DMA_QUEUES, 0x04000
.set DMA_HEADERS, 0x0a000
.set DMA_DISK, 0x10000
.set DMA_RECEIVE, 0x80000
.set DMA_TRANSMIT, 0xc0000
.set RING_ENTRIES, 64
.set BUFFER_SHIFT, 12

.set DISK_READ, 0
.set DISK_WRITE, 1
.set SECTOR, 512

# Offsets into a table of a network driver's routines.
.set NETWORK_SEND, 0                # (RDI = buffer, ESI = bytes): queued, not yet told
.set NETWORK_KICK, 8                # (): tell the device of what was queued
.set NETWORK_RECLAIM, 16            # () -> EAX = transmit buffers that the device is done with, at most
.set NETWORK_RECEIVE, 24            # () -> RAX = buffer, EDX = bytes; RAX = 0: none
.set NETWORK_RELEASE, 32            # (EDI = buffers): so many received ones, the oldest first, are the device's again
.set NETWORK_AWAIT_SENT, 40         # (EDI): 1: interrupt when a buffer has been sent; 0: no longer

@kernel
# -> ZF set if there are a disk and a network
initialise_devices:
    call allocate_zeroed_block
    mov [rip + dma_physical], rax
    mov rcx, DIRECT_MAP
    add rax, rcx
    mov [rip + dma_block], rax
    call probe_devices
    cmp qword ptr [rip + disk_routine], 0
    je .missing
    cmp qword ptr [rip + network_routines], 0
    je .missing
    xor eax, eax
    ret
.missing:
    or eax, 1
    ret

# EDI = DISK_READ or DISK_WRITE, RSI = first sector, EDX = sectors (up to 128), between the disk and disk_buffer
# -> EAX = 0, or an error
disk_transfer:
    jmp [rip + disk_routine]

# -> RAX = the buffer that disk_transfer uses
disk_buffer:
    mov rax, [rip + dma_block]
    add rax, DMA_DISK
    ret

# Halts until an interrupt has come. With interrupts off.
wait_for_device:
    pv_safe_halt
    pv_irq_disable
    ret

# -> RAX = a free transmit buffer; waits for one
network_buffer:
    push rbx
    mov eax, [rip + transmit_free]
    test eax, eax
    jnz .free
    call reclaim
    jnz .free
    mov rbx, [rip + network_routines]
    call [rbx + NETWORK_KICK]
    mov edi, 1
    call [rbx + NETWORK_AWAIT_SENT]
.wait:
    call reclaim
    cmp dword ptr [rip + transmit_free], RING_ENTRIES / 4
    jae .enough
    call wait_for_device
    jmp .wait
.enough:
    xor edi, edi
    call [rbx + NETWORK_AWAIT_SENT]
.free:
    mov eax, [rip + transmit_next]
    shl eax, BUFFER_SHIFT
    add rax, [rip + dma_block]
    add rax, DMA_TRANSMIT
    pop rbx
    ret

# -> ZF clear if transmit buffers have become free
reclaim:
    mov rax, [rip + network_routines]
    call [rax + NETWORK_RECLAIM]
    add [rip + transmit_free], eax
    test eax, eax
    ret

# RDI = the buffer that network_buffer gave, ESI = bytes of the frame
network_send:
    mov eax, [rip + transmit_next]
    inc eax
    and eax, RING_ENTRIES - 1
    mov [rip + transmit_next], eax
    dec dword ptr [rip + transmit_free]
    mov rax, [rip + network_routines]
    jmp [rax + NETWORK_SEND]

network_kick:
    mov rax, [rip + network_routines]
    jmp [rax + NETWORK_KICK]

# -> RAX = the oldest frame received, EDX = its bytes; RAX = 0 if there is none
network_receive:
    mov rax, [rip + network_routines]
    jmp [rax + NETWORK_RECEIVE]

# EDI = buffers to give back
network_release:
    mov rax, [rip + network_routines]
    jmp [rax + NETWORK_RELEASE]

# As network_receive, but waits.
network_await:
    call network_receive
    test rax, rax
    jnz .received
    call wait_for_device
    jmp network_await
.received:
    ret

# RAX = pointer into the block -> RAX = its physical address
to_bus_address:
    sub rax, [rip + dma_block]
    add rax, [rip + dma_physical]
    ret

disk_stub:
    pv_trap_entry
    push 0
    push VECTOR_DISK
    jmp trap
network_stub:
    pv_trap_entry
    push 0
    push VECTOR_NETWORK
    jmp trap

@kernel_data
.align 8
dma_block: .quad 0
dma_physical: .quad 0
disk_routine: .quad 0               # a driver's disk_transfer
network_routines: .quad 0           # a driver's table
disk_interrupts: .quad 0
network_interrupts: .quad 0
transmit_free: .long RING_ENTRIES - 1
transmit_next: .long 0
