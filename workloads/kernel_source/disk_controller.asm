# A disk behind a bus-mastering PCI IDE controller in native mode: commands by ports, data by DMA (ATA/ATAPI-5
# section 7; Programming Interface for Bus Master IDE Controller, section 2).

.set ATA_SECTOR_COUNT, 2
.set ATA_LBA_LOW, 3
.set ATA_LBA_MID, 4
.set ATA_LBA_HIGH, 5
.set ATA_DEVICE, 6
.set ATA_STATUS, 7
.set ATA_COMMAND, 7
.set ATA_READ_DMA, 0xc8
.set ATA_WRITE_DMA, 0xca
.set ATA_ERROR_BIT, 0x01
.set BUS_MASTER_COMMAND, 0
.set BUS_MASTER_STATUS, 2
.set BUS_MASTER_TABLE, 4
.set BUS_MASTER_START, 0x01
.set BUS_MASTER_TO_MEMORY, 0x08
.set BUS_MASTER_CLEAR, 0x06         # error and interrupt, by writing ones
.set REGION_END, 0x8000

@kernel
start_disk_controller:              # EBX = configuration address
    xor edi, edi
    call read_port_base
    mov [rip + command_ports], eax
    mov edi, 4
    call read_port_base
    mov [rip + bus_master_ports], eax
    mov edi, VECTOR_DISK
    lea rsi, [rip + disk_stub]
    lea rdx, [rip + disk_interrupt]
    call take_vector
    mov edi, VECTOR_DISK
    call enable_message
    mov rax, [rip + dma_block]
    add rax, DMA_REGIONS
    call to_bus_address
    mov edx, [rip + bus_master_ports]
    add edx, BUS_MASTER_TABLE
    pv_out32
    lea rax, [rip + ide_transfer]
    mov [rip + disk_routine], rax
    ret

.macro COMMAND_PORT register
    mov edx, [rip + command_ports]
    add edx, \register
.endm
.macro BUS_MASTER_PORT register
    mov edx, [rip + bus_master_ports]
.if \register
    add edx, \register
.endif
.endm

ide_transfer:                       # as disk_transfer
    push rbx
    mov ebx, edi
    mov r8d, edx                    # sectors
    mov rcx, [rip + dma_block]
    lea rax, [rcx + DMA_DISK]
    call to_bus_address
    mov [rcx + DMA_REGIONS], eax
    mov eax, r8d
    shl eax, 9
    mov [rcx + DMA_REGIONS + 4], ax # 64 KiB are written as 0
    mov word ptr [rcx + DMA_REGIONS + 6], REGION_END
    mov eax, r8d
    COMMAND_PORT ATA_SECTOR_COUNT
    pv_out8
    mov eax, esi
    COMMAND_PORT ATA_LBA_LOW
    pv_out8
    shr eax, 8
    COMMAND_PORT ATA_LBA_MID
    pv_out8
    shr eax, 8
    COMMAND_PORT ATA_LBA_HIGH
    pv_out8
    shr eax, 8
    or eax, 0x40                    # by LBA
    COMMAND_PORT ATA_DEVICE
    pv_out8
    mov eax, ATA_READ_DMA
    mov r9d, BUS_MASTER_START | BUS_MASTER_TO_MEMORY
    test ebx, ebx
    jz .read
    mov eax, ATA_WRITE_DMA
    mov r9d, BUS_MASTER_START
.read:
    COMMAND_PORT ATA_COMMAND
    pv_out8
    mov eax, r9d
    BUS_MASTER_PORT BUS_MASTER_COMMAND
    pv_out8
    mov rbx, [rip + disk_interrupts]
.wait:
    call wait_for_device
    cmp rbx, [rip + disk_interrupts]
    je .wait
    xor eax, eax
    BUS_MASTER_PORT BUS_MASTER_COMMAND
    pv_out8
    movzx eax, byte ptr [rip + ide_status]
    and eax, ATA_ERROR_BIT
    pop rbx
    ret

disk_interrupt:
    pv_end_of_interrupt
    COMMAND_PORT ATA_STATUS         # reading it acknowledges the drive's interrupt
    pv_in8
    mov [rip + ide_status], al
    BUS_MASTER_PORT BUS_MASTER_STATUS
    mov al, BUS_MASTER_CLEAR
    pv_out8
    inc qword ptr [rip + disk_interrupts]
    ret

@kernel_data
.align 4
command_ports: .long 0
bus_master_ports: .long 0
ide_status: .byte 0
