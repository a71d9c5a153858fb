# Finding devices by PCI configuration space (PCI Local Bus Specification 3.0, section 3.2.2.3.2), their registers
# and their message-signalled interrupts (section 6.8).

.set CONFIG_ADDRESS, 0xcf8
.set CONFIG_DATA, 0xcfc
.set CONFIG_ENABLE, 0x80000000
.set PCI_SLOTS, 32
.set PCI_IDENTITY, 0x00
.set PCI_COMMAND, 0x04
.set PCI_BAR, 0x10
.set PCI_CAPABILITIES, 0x34
.set PCI_ENABLE, 0x407              # ports, memory, bus master; no interrupt pin
.set CAPABILITY_MSI, 0x05
.set CAPABILITY_MSI_X, 0x11
.set MESSAGE_ADDRESS, 0xfee00000    # to the local APIC with identity 0 (SDM vol. 3A, section 11.11.1)

.set DEVICE_WINDOW_ENTRY, 16        # of the local APIC's page table: device registers are mapped from here on

@kernel
# Every slot of bus 0 is asked who it is, and the driver that knows it is started with EBX = its configuration address.
probe_devices:
    push rbx
    push rbp
    xor ebp, ebp
.next_slot:
    mov ebx, ebp
    shl ebx, 11
    or ebx, CONFIG_ENABLE
    mov edi, PCI_IDENTITY
    call read_configuration
    lea rsi, [rip + known_devices]
.next_driver:
    mov ecx, [rsi]
    test ecx, ecx
    jz .unknown
    cmp eax, ecx
    je .found
    add rsi, 16
    jmp .next_driver
.found:
    push rsi
    mov edi, PCI_COMMAND
    mov esi, PCI_ENABLE
    call write_configuration
    pop rsi
    call [rsi + 8]
.unknown:
    inc ebp
    cmp ebp, PCI_SLOTS
    jb .next_slot
    pop rbp
    pop rbx
    ret

# EBX = configuration address, EDI = register -> EAX
read_configuration:
    lea eax, [rbx + rdi]
    mov edx, CONFIG_ADDRESS
    pv_out32
    mov edx, CONFIG_DATA
    pv_in32
    ret
# ... ESI = value
write_configuration:
    lea eax, [rbx + rdi]
    mov edx, CONFIG_ADDRESS
    pv_out32
    mov eax, esi
    mov edx, CONFIG_DATA
    pv_out32
    ret

# EDI = number of a base address register for ports -> EAX = first port
read_port_base:
    lea edi, [rdi * 4 + PCI_BAR]
    call read_configuration
    and eax, 0xfffffffc
    ret

# EDI = number of a base address register for memory, ESI = pages -> RAX = where they are mapped
map_registers:
    push rbp
    mov ebp, esi
    lea edi, [rdi * 4 + PCI_BAR]
    call read_configuration
    and eax, 0xfffffff0
    mov rdx, KERNEL_DATA_FLAGS | ENTRY_CACHE_DISABLE | ENTRY_WRITE_THROUGH
    or rdx, rax
    mov ecx, [rip + device_window_next]
    mov rdi, [rip + device_window_table]
    lea rdi, [rdi + rcx*8]
    add [rip + device_window_next], ebp
    shl rcx, 12
    mov rax, LOCAL_APIC
    add rax, rcx
.next:
    pv_set_pte rdi, rdx
    add rdi, 8
    add rdx, PAGE
    dec ebp
    jnz .next
    pop rbp
    ret

# EDI = capability -> EDI = its offset, EAX = its first word; EDI = 0: there is none
find_capability:
    push rbp
    mov ebp, edi
    mov edi, PCI_CAPABILITIES
    call read_configuration
.next:
    movzx edi, al
    test edi, edi
    jz .end
    call read_configuration
    cmp al, bpl
    je .end
    shr eax, 8
    jmp .next
.end:
    pop rbp
    ret

# EDI = vector: the function's message raises it.
enable_message:
    push rbp
    mov ebp, edi
    mov edi, CAPABILITY_MSI
    call find_capability
    add edi, 4
    mov esi, MESSAGE_ADDRESS
    call write_configuration
    add edi, 4
    xor esi, esi
    call write_configuration
    add edi, 4
    mov esi, ebp
    call write_configuration
    sub edi, 12
    call read_configuration
    mov esi, eax
    or esi, 0x10000                 # MSI enable
    call write_configuration
    pop rbp
    ret

# EDI = vector, RSI = stub, RDX = handler
take_vector:
    mov ecx, edi
    lea rax, [rip + trap_handlers]
    mov [rax + rcx*8], rdx
    jmp set_gate

@kernel_data
.align 16
known_devices:                      # vendor and device, driver
    .quad 0x71118086, start_disk_controller
    .quad 0x100e8086, start_network_card
    .quad 0x10011af4, start_virtio_disk
    .quad 0x10001af4, start_virtio_network
    .quad 0, 0
device_window_table: .quad 0        # pointer to the page table
device_window_next: .long DEVICE_WINDOW_ENTRY
