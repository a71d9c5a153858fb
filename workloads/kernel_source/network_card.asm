# An Intel 8254x network card (its Software Developer's Manual, chapters 3 and 13): two rings of descriptors.
#
# The device owns the descriptors from head to tail. The driver keeps count of what it has queued, and tells the
# device by storing to the tail register (a doorbell).

.set CARD_ICR, 0x00c0
.set CARD_ITR, 0x00c4
.set CARD_IMS, 0x00d0
.set CARD_IMC, 0x00d8
.set CARD_RCTL, 0x0100
.set CARD_TCTL, 0x0400
.set CARD_RDBAL, 0x2800
.set CARD_RDLEN, 0x2808
.set CARD_RDH, 0x2810
.set CARD_RDT, 0x2818
.set CARD_TDBAL, 0x3800
.set CARD_TDLEN, 0x3808
.set CARD_TDH, 0x3810
.set CARD_TDT, 0x3818
.set CARD_PAGES, 8
.set CARD_ENABLE, 2
.set CAUSE_SENT, 0x01
.set CAUSE_RECEIVED, 0x80
.set DESCRIPTOR_LENGTH, 8
.set DESCRIPTOR_COMMAND, 11
.set DESCRIPTOR_STATUS, 12
.set COMMAND_SEND, 0x03             # end of packet, check sequence
.set COMMAND_REPORT, 0x08           # report status, and interrupt
.set REPORT_EVERY, 16               # descriptors
.set STATUS_DONE, 0x01

.macro CARD_WRITE register, value
    mov rax, [rip + card_registers]
    mov dword ptr [rax + \register], \value
.endm

@kernel
start_network_card:                 # EBX = configuration address
    xor edi, edi
    mov esi, CARD_PAGES
    call map_registers
    mov [rip + card_registers], rax
    mov edi, VECTOR_NETWORK
    lea rsi, [rip + network_stub]
    lea rdx, [rip + card_interrupt]
    call take_vector
    mov edi, VECTOR_NETWORK
    call enable_message
    call fill_receive_ring
    mov rax, [rip + dma_block]
    add rax, DMA_RECEIVE_RING
    call to_bus_address
    mov ecx, eax
    CARD_WRITE CARD_RDBAL, ecx
    CARD_WRITE CARD_RDLEN, RING_ENTRIES * 16
    add ecx, DMA_TRANSMIT_RING - DMA_RECEIVE_RING
    CARD_WRITE CARD_TDBAL, ecx
    CARD_WRITE CARD_TDLEN, RING_ENTRIES * 16
    CARD_WRITE CARD_RDT, RING_ENTRIES - 1
    CARD_WRITE CARD_RCTL, CARD_ENABLE
    CARD_WRITE CARD_TCTL, CARD_ENABLE
.ifdef PARAM_MODERATION
    mov ecx, [rip + parameters + PARAM_MODERATION * 8]
    CARD_WRITE CARD_ITR, ecx        # units of 256 ns between interrupts
.endif
    CARD_WRITE CARD_IMS, CAUSE_RECEIVED
    lea rax, [rip + card_routines]
    mov [rip + network_routines], rax
    ret

fill_receive_ring:
    mov rdi, [rip + dma_block]
    lea rax, [rdi + DMA_RECEIVE]
    call to_bus_address
    add rdi, DMA_RECEIVE_RING
    mov ecx, RING_ENTRIES
.next:
    mov [rdi], rax
    add rax, PAGE
    add rdi, 16
    dec ecx
    jnz .next
    ret

# RDI = buffer, ESI = bytes
card_send:
    mov ecx, [rip + card_transmit_tail]
    mov edx, ecx
    shl edx, 4
    mov r8, [rip + dma_block]
    lea r8, [r8 + rdx + DMA_TRANSMIT_RING]
    mov rax, rdi
    call to_bus_address
    mov [r8], rax
    mov [r8 + DESCRIPTOR_LENGTH], si
    mov eax, COMMAND_SEND << 8
    mov edx, ecx
    not edx
    test edx, REPORT_EVERY - 1
    jnz .no_report
    or eax, COMMAND_REPORT << 8
.no_report:
    mov [r8 + DESCRIPTOR_LENGTH + 2], eax
    inc ecx
    and ecx, RING_ENTRIES - 1
    mov [rip + card_transmit_tail], ecx
    ret

card_kick:
    mov ecx, [rip + card_transmit_tail]
    CARD_WRITE CARD_TDT, ecx
    ret

card_reclaim:                       # a report says that all descriptors up to it are done
    mov ecx, [rip + card_transmit_clean]
    mov r8, [rip + dma_block]
    xor eax, eax
.next:
    mov edx, [rip + card_transmit_tail]
    sub edx, ecx
    and edx, RING_ENTRIES - 1       # queued
    mov edi, ecx
    not edi
    and edi, REPORT_EVERY - 1       # before the next one that reports
    cmp edx, edi
    jbe .done
    lea edx, [rcx + rdi]
    shl edx, 4
    test byte ptr [r8 + rdx + DMA_TRANSMIT_RING + DESCRIPTOR_STATUS], STATUS_DONE
    jz .done
    lea eax, [rax + rdi + 1]
    lea ecx, [rcx + rdi + 1]
    and ecx, RING_ENTRIES - 1
    jmp .next
.done:
    mov [rip + card_transmit_clean], ecx
    ret

card_receive:
    mov ecx, [rip + card_receive_next]
    mov edx, ecx
    shl edx, 4
    mov r8, [rip + dma_block]
    lea r9, [r8 + rdx + DMA_RECEIVE_RING]
    xor eax, eax
    test byte ptr [r9 + DESCRIPTOR_STATUS], STATUS_DONE
    jz .none
    mov byte ptr [r9 + DESCRIPTOR_STATUS], 0
    movzx edx, word ptr [r9 + DESCRIPTOR_LENGTH]
    mov eax, ecx
    shl eax, BUFFER_SHIFT
    lea rax, [r8 + rax + DMA_RECEIVE]
    inc ecx
    and ecx, RING_ENTRIES - 1
    mov [rip + card_receive_next], ecx
.none:
    ret

card_release:                       # EDI = buffers
    mov ecx, [rip + card_receive_tail]
    add ecx, edi
    and ecx, RING_ENTRIES - 1
    mov [rip + card_receive_tail], ecx
    CARD_WRITE CARD_RDT, ecx
    ret

card_await_sent:                    # EDI = whether to be told
    test edi, edi
    jz .no_longer
    CARD_WRITE CARD_IMS, CAUSE_SENT
    ret
.no_longer:
    CARD_WRITE CARD_IMC, CAUSE_SENT
    ret

card_interrupt:
    pv_end_of_interrupt
    mov rax, [rip + card_registers]
    mov eax, [rax + CARD_ICR]       # reading clears the causes
    inc qword ptr [rip + network_interrupts]
    ret

@kernel_data
.align 8
card_routines:
    .quad card_send, card_kick, card_reclaim, card_receive, card_release, card_await_sent
card_registers: .quad 0
card_transmit_tail: .long 0         # the next descriptor to fill
card_transmit_clean: .long 0        # the oldest that the device may still own
card_receive_next: .long 0          # the next to be filled by the device
card_receive_tail: .long RING_ENTRIES - 1
