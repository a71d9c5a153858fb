#: title = "Reading from the disk"
#: stresses = "commands to the disk, its DMA, one interrupt for each request"
#: outcome = "result 0 counts requests, 1 adds the 64-bit words read, 2 counts errors"
#: needs = ["devices"]
#: slots = ["requests", "sum", "errors"]
#: small = { requests = 32, sectors = 8 }
#: standard = { requests = 256, sectors = 8 }
#: large = { requests = 2048, sectors = 8 }
#: variants = { "64k" = { sectors = 128 } }

# Requests of `sectors` sectors, spread over the disk.

@kernel
workload_main:
    push rbx
    push rbp
    call initialise_devices
    jnz .failed
    xor ebx, ebx
    xor ebp, ebp                    # first sector
    ROI_BEGIN
.next:
    mov edi, DISK_READ
    mov rsi, rbp
    mov edx, [rip + parameters + PARAM_SECTORS * 8]
    call disk_transfer
    test eax, eax
    jz .good
    inc qword ptr [rip + result + 16]
.good:
    call add_sectors
    add ebp, 4099
    and ebp, 0xffff
    inc rbx
    cmp rbx, [rip + parameters + PARAM_REQUESTS * 8]
    jb .next
    ROI_END
    mov [rip + result], rbx
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop rbp
    pop rbx
    ret

add_sectors:
    call disk_buffer
    mov ecx, [rip + parameters + PARAM_SECTORS * 8]
    shl ecx, 6
    xor edx, edx
.next:
    add rdx, [rax]
    add rax, 8
    dec ecx
    jnz .next
    add [rip + result + 8], rdx
    ret
