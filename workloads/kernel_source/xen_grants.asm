# Front ends' common part under Xen: grants, event channels, and Xenstore, where back ends read where the rings are.
#
# The pages that back ends touch are those of the block of devices' memory. Page n of it is granted, once and for
# all, by entry n of the grant table: it may be written, by the driver domain 0 (Xen public header grant_table.h).
#
# Xenstore is spoken to by messages in the store page (public header io/xs_wire.h): type, request, transaction and
# length, each a u32, then the path, a zero, and the value. Requests go into the first 1024 bytes.

.set XEN_GRANT_TABLE_OP, 20
.set GNTTABOP_SETUP_TABLE, 2
.set EVTCHNOP_ALLOC_UNBOUND, 6
.set GRANT_ACCESS, 1
.set FIRST_GRANTED_PAGE, 8          # entries below are Xen's own by custom
.set DMA_DISK_RING, 0x08000
.set DMA_SEND_RING, 0x09000
.set DMA_RECEIVE_PAGE_RING, 0x0a000
.set XEN_STORE_PAGE, KERNEL_BASE + 0x3000
.set XEN_STORE_PORT, 1
.set STORE_REQUEST_PRODUCER, 2052
.set STORE_REPLY_CONSUMER, 2056
.set STORE_REPLY_PRODUCER, 2060
.set STORE_RING_BYTES, 1024
.set XS_WRITE, 11
.set STORE_HEADER_BYTES, 16
.set XENBUS_INITIALISED, 3
.set XENBUS_CONNECTED, 4

# A ring's page (Xen public header io/ring.h).
.set RING_REQUESTS, 0
.set RING_REQUEST_EVENT, 4
.set RING_RESPONSES, 8
.set RING_RESPONSE_EVENT, 12
.set RING_START, 64

@kernel
probe_devices:
    push rbx
    mov edi, GNTTABOP_SETUP_TABLE
    lea rsi, [rip + xen_grant_setup]
    mov edx, 1
    HYPERCALL XEN_GRANT_TABLE_OP
    lea rdi, [rip + xen_grant_table]
    mov rsi, [rip + xen_grant_frame]
    shl rsi, 12
    mov rax, XEN_SHARED_FLAGS
    or rsi, rax
    mov edx, UVMF_INVLPG
    HYPERCALL XEN_UPDATE_VA_MAPPING
    call grant_block
    call start_xen_disk
    call start_xen_network
    pop rbx
    ret

# Every page of the block from FIRST_GRANTED_PAGE on.
grant_block:
    mov ecx, FIRST_GRANTED_PAGE
    mov rdx, [rip + dma_physical]
    shr rdx, 12
    lea rdi, [rip + xen_grant_table]
    mov rsi, [rip + xen_frames]
.next:
    lea rax, [rdx + rcx]
    mov rax, [rsi + rax*8]
    shl rax, 32
    or rax, GRANT_ACCESS            # to domain 0
    mov [rdi + rcx*8], rax
    inc ecx
    cmp ecx, ENTRIES
    jb .next
    ret

# EDI = vector, RSI = handler -> EAX = the port of a channel for the driver domain that leads to them
open_channel:
    push rbx
    mov ebx, edi
    lea rax, [rip + trap_handlers]
    mov [rax + rdi*8], rsi
    mov edi, EVTCHNOP_ALLOC_UNBOUND
    lea rsi, [rip + xen_new_channel]
    HYPERCALL XEN_EVENT_CHANNEL_OP
    mov eax, [rip + xen_new_channel + 4]
    lea rcx, [rip + xen_vectors]
    mov [rcx + rax], bl
    mov edi, EVTCHNOP_UNMASK
    lea rsi, [rip + xen_new_channel + 4]
    HYPERCALL XEN_EVENT_CHANNEL_OP
    mov eax, [rip + xen_new_channel + 4]
    pop rbx
    ret

# RDI = path, below the domain's own directory, ESI = number: becomes its value in Xenstore
store_number:
    push rbx
    mov rdx, XEN_STORE_PAGE
    lea r8, [rip + store_message]
    lea rcx, [r8 + STORE_HEADER_BYTES]
.next_character:
    mov al, [rdi]
    mov [rcx], al
    inc rdi
    inc rcx
    test al, al
    jnz .next_character
    mov eax, esi
    call .digits
    lea rbx, [r8 + STORE_HEADER_BYTES]
    mov eax, ecx
    sub eax, ebx
    mov dword ptr [r8], XS_WRITE
    mov [r8 + 12], eax
    mov eax, [rdx + STORE_REQUEST_PRODUCER]
.next_byte:
    mov bl, [r8]
    mov esi, eax
    and esi, STORE_RING_BYTES - 1
    mov [rdx + rsi], bl
    inc r8
    inc eax
    cmp r8, rcx
    jb .next_byte
    mov [rdx + STORE_REQUEST_PRODUCER], eax
    mov edi, EVTCHNOP_SEND
    lea rsi, [rip + xen_store_channel]
    HYPERCALL XEN_EVENT_CHANNEL_OP
    mov rdx, XEN_STORE_PAGE
    mov eax, [rdx + STORE_REPLY_PRODUCER]
    mov [rdx + STORE_REPLY_CONSUMER], eax   # replies are not looked at
    pop rbx
    ret
.digits:                            # of EAX, decimal, to RCX onwards; keeps RDX
    push rdx
    xor edx, edx
    mov ebx, 10
    div ebx
    push rdx
    test eax, eax
    jz .last_digit
    call .digits
.last_digit:
    pop rdx
    add dl, '0'
    mov [rcx], dl
    inc rcx
    pop rdx
    ret

# RDI = ring's page: empty
clear_ring:
    mov dword ptr [rdi + RING_REQUESTS], 0
    mov dword ptr [rdi + RING_REQUEST_EVENT], 1
    mov dword ptr [rdi + RING_RESPONSES], 0
    mov dword ptr [rdi + RING_RESPONSE_EVENT], 1
    ret

# RDI = ring, ECX = requests produced, R8 = pointer to the count when the back end was last told,
# RSI = pointer to the channel's port: publish them, and send an event if the back end wants one
push_requests:
    mov [rdi + RING_REQUESTS], ecx
    mfence                          # the count is out before the back end's wish is read
    mov eax, ecx
    sub eax, [rdi + RING_REQUEST_EVENT]
    mov edx, ecx
    sub edx, [r8]
    mov [r8], ecx
    cmp eax, edx
    jae .not_wanted
    mov edi, EVTCHNOP_SEND
    HYPERCALL XEN_EVENT_CHANNEL_OP
.not_wanted:
    ret

@kernel_data
.align 8
xen_grant_setup:                    # domain, frames, status, where to list them
    .word DOMID_SELF, 0
    .long 1
    .quad 0
    .quad xen_grant_frame
xen_grant_frame: .quad 0
xen_new_channel:                    # domain, for domain, port
    .word DOMID_SELF, 0
    .long 0
xen_store_channel: .long XEN_STORE_PORT
store_message:
    .zero 128
.align PAGE
xen_grant_table:                    # Xen's frame takes this one's place
    .zero PAGE
