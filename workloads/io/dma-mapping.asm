#: title = "Sending frames through DMA remapping"
#: stresses = "a driver that maps each buffer for the card and unmaps it afterwards: second-level entries, IOTLB invalidation"
#: outcome = "result 0 counts the frames that the station received, 1 their bytes, 2 to 5 hold its digest of them"
#: needs = ["devices", "remapping"]
#: slots = ["frames", "bytes", "digest 0", "digest 1", "digest 2", "digest 3"]
#: small = { frames = 128, bytes = 1500, batch = 8, policy = 1, moderation = 100 }
#: standard = { frames = 1024, bytes = 1500, batch = 8, policy = 1, moderation = 100 }
#: large = { frames = 8192, bytes = 1500, batch = 8, policy = 1, moderation = 100 }
#: variants = { "static" = { policy = 0 }, "deferred" = { policy = 2 } }

# The VT-d unit at 0xfed90000 (VT-d specification, chapters 3, 6, 9 and 11), driven by the guest as an operating system
# drives it to be safe from its devices. The card reaches its rings and receive buffers always, and
#
#   policy 0  all transmit buffers always: what translating costs by itself
#          1  a transmit buffer while its frame is out: strict, an IOTLB invalidation waited for at each unmapping
#          2  the same, but UNMAP_BATCH unmappings share an invalidation of the domain: deferred
#
# Three levels of tables map device addresses to equal machine addresses; one lowest table spans the block of devices'
# memory. The invalidation queue's page holds 256 descriptors of 16 bytes.

.set REMAPPING_UNIT, 0xfed90000
.set REMAPPING_ENTRY, 15            # of the local APIC's page table
.set REMAPPING, LOCAL_APIC + REMAPPING_ENTRY * PAGE
.set UNIT_COMMAND, 0x18
.set UNIT_ROOT, 0x20
.set UNIT_QUEUE_TAIL, 0x88
.set UNIT_QUEUE, 0x90
.set COMMAND_SET_ROOT, 1 << 30
.set COMMAND_QUEUE, 1 << 26
.set COMMAND_TRANSLATE, 1 << 31
.set SECOND_LEVEL, 3                # read and write
.set CONTEXT_WIDTH_39, 1            # bits: three levels
.set DOMAIN, 1
.set CARD_CONTEXT, 3 << 3           # device 3, function 0
.set INVALIDATE_CONTEXTS, 0x11      # all of them
.set INVALIDATE_DOMAIN, 0x22 | (DOMAIN << 16)
.set INVALIDATE_PAGE, 0x32 | (DOMAIN << 16)
.set WAIT_WITH_STATUS, 0x25
.set QUEUE_BYTES, 4096
.set UNMAP_BATCH, 32
.set NEVER, 0
.set STRICT, 1

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    call initialise_devices
    jnz .failed
    call start_remapping
    call interpose
    TRANSMIT_FRAMES
    ROI_END
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop r12
    pop rbp
    pop rbx
    ret

# --- set-up -----------------------------------------------------------------------------------------------
# -> RAX = physical address of a frame of zeroes, RDX = pointer to it
new_frame:
    call allocate_zeroed_frame
    mov rdx, DIRECT_MAP
    add rdx, rax
    ret

start_remapping:
    push rbx
    push rbp
    push r12
    mov rdi, [rip + device_window_table]
    add rdi, REMAPPING_ENTRY * 8
    mov rax, REMAPPING_UNIT
    mov rdx, KERNEL_DATA_FLAGS | ENTRY_CACHE_DISABLE | ENTRY_WRITE_THROUGH
    or rax, rdx
    pv_set_pte rdi, rax
    call new_frame                  # lowest table
    mov [rip + lowest_table], rdx
    mov rbx, rax
    mov r12, [rip + dma_physical]
    call new_frame
    mov rcx, r12
    shr rcx, 21
    and ecx, ENTRIES - 1
    or rbx, SECOND_LEVEL
    mov [rdx + rcx*8], rbx
    mov rbx, rax
    call new_frame
    mov rcx, r12
    shr rcx, 30
    and ecx, ENTRIES - 1
    or rbx, SECOND_LEVEL
    mov [rdx + rcx*8], rbx
    mov rbx, rax                    # highest table
    call new_frame                  # context table
    or rbx, 1
    mov [rdx + CARD_CONTEXT * 16], rbx
    mov qword ptr [rdx + CARD_CONTEXT * 16 + 8], CONTEXT_WIDTH_39 | (DOMAIN << 8)
    mov rbx, rax
    call new_frame                  # root table: bus 0
    or rbx, 1
    mov [rdx], rbx
    mov rbx, rax
    mov rcx, REMAPPING
    mov [rcx + UNIT_ROOT], rbx
    mov dword ptr [rcx + UNIT_COMMAND], COMMAND_SET_ROOT
    call new_frame
    mov [rip + queue], rdx
    mov rcx, REMAPPING
    mov [rcx + UNIT_QUEUE], rax
    mov dword ptr [rcx + UNIT_COMMAND], COMMAND_QUEUE
    call new_frame
    mov [rip + status_pointer], rdx
    mov [rip + status_address], rax
    mov rdi, INVALIDATE_CONTEXTS
    xor esi, esi
    call invalidate
    mov edi, INVALIDATE_DOMAIN
    xor esi, esi
    call invalidate
    mov edi, DMA_RECEIVE_RING >> 12
    mov esi, 2
    call map_pages
    mov edi, DMA_RECEIVE >> 12
    mov esi, RING_ENTRIES
    call map_pages
    cmp dword ptr [rip + parameters + PARAM_POLICY * 8], NEVER
    jne .by_frame
    mov edi, DMA_TRANSMIT >> 12
    mov esi, RING_ENTRIES
    call map_pages
.by_frame:
    mov rcx, REMAPPING
    mov eax, COMMAND_QUEUE | COMMAND_TRANSLATE
    mov [rcx + UNIT_COMMAND], eax
    pop r12
    pop rbp
    pop rbx
    ret

# The driver's routines for sending and taking back, each with mapping around it.
interpose:
    mov rsi, [rip + network_routines]
    lea rdi, [rip + mapping_routines]
    mov ecx, 6
    rep movsq
    lea rdi, [rip + mapping_routines]
    mov [rip + network_routines], rdi
    cmp dword ptr [rip + parameters + PARAM_POLICY * 8], NEVER
    je .done
    mov rax, [rdi + NETWORK_SEND]
    mov [rip + driver_send], rax
    mov rax, [rdi + NETWORK_RECLAIM]
    mov [rip + driver_reclaim], rax
    lea rax, [rip + map_and_send]
    mov [rdi + NETWORK_SEND], rax
    lea rax, [rip + reclaim_and_unmap]
    mov [rdi + NETWORK_RECLAIM], rax
.done:
    ret

# --- mapping ----------------------------------------------------------------------------------------------
# EDI = first page of the block, ESI = pages
map_pages:
    mov rax, [rip + dma_physical]
    mov rdx, [rip + lowest_table]
    mov ecx, edi
    shl rcx, 12
    lea rax, [rax + rcx + SECOND_LEVEL]
.next:
    mov [rdx + rdi*8], rax
    add rax, PAGE
    inc edi
    dec esi
    jnz .next
    ret

map_and_send:                       # RDI = buffer, ESI = bytes
    push rdi
    push rsi
    mov rax, rdi
    sub rax, [rip + dma_block]
    shr eax, 12
    mov edi, eax
    mov esi, 1
    call map_pages
    pop rsi
    pop rdi
    jmp [rip + driver_send]

reclaim_and_unmap:                  # -> EAX = buffers, which are the card's no more
    call [rip + driver_reclaim]
    test eax, eax
    jz .none
    push rbx
    push rax
    mov ebx, eax
.next:
    mov edi, [rip + unmap_next]
    lea eax, [rdi + 1]
    and eax, RING_ENTRIES - 1
    mov [rip + unmap_next], eax
    add edi, DMA_TRANSMIT >> 12
    call unmap_page
    dec ebx
    jnz .next
    pop rax
    pop rbx
.none:
    ret

unmap_page:                         # EDI = page of the block
    mov rdx, [rip + lowest_table]
    mov qword ptr [rdx + rdi*8], 0
    cmp dword ptr [rip + parameters + PARAM_POLICY * 8], STRICT
    jne .put_off
    mov esi, edi
    shl rsi, 12
    add rsi, [rip + dma_physical]
    mov edi, INVALIDATE_PAGE
    jmp invalidate
.put_off:
    inc dword ptr [rip + unmapped]
    cmp dword ptr [rip + unmapped], UNMAP_BATCH
    jb .later
    mov dword ptr [rip + unmapped], 0
    mov edi, INVALIDATE_DOMAIN
    xor esi, esi
    jmp invalidate
.later:
    ret

# RDI, RSI = a descriptor: executed when this returns
invalidate:
    mov r8, [rip + queue]
    mov ecx, [rip + queue_tail]
    mov [r8 + rcx], rdi
    mov [r8 + rcx + 8], rsi
    add ecx, 16
    inc dword ptr [rip + wait_number]
    mov eax, [rip + wait_number]
    mov r9d, eax
    shl rax, 32
    or rax, WAIT_WITH_STATUS
    mov [r8 + rcx], rax
    mov rax, [rip + status_address]
    mov [r8 + rcx + 8], rax
    add ecx, 16
    and ecx, QUEUE_BYTES - 1
    mov [rip + queue_tail], ecx
    mov rax, REMAPPING
    mov [rax + UNIT_QUEUE_TAIL], rcx
    mov rdx, [rip + status_pointer]
.wait:
    cmp [rdx], r9d
    jne .wait
    ret

@kernel_data
.align 8
mapping_routines:
    .zero 48
driver_send: .quad 0
driver_reclaim: .quad 0
lowest_table: .quad 0               # pointer
queue: .quad 0                      # pointer
status_pointer: .quad 0
status_address: .quad 0
queue_tail: .long 0
wait_number: .long 0
unmap_next: .long 0                 # transmit buffer
unmapped: .long 0                   # not yet invalidated
