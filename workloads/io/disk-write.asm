#: title = "Writing to the disk, and reading back"
#: stresses = "DMA from memory to the disk and back, one interrupt for each request"
#: outcome = "result 0 counts pairs of requests, 1 words that came back wrong (0), 2 errors"
#: needs = ["devices"]
#: slots = ["pairs", "wrong", "errors"]
#: small = { requests = 16, sectors = 8 }
#: standard = { requests = 128, sectors = 8 }
#: large = { requests = 1024, sectors = 8 }
#: variants = { "64k" = { sectors = 128 } }

@kernel
workload_main:
    push rbx
    push rbp
    call initialise_devices
    jnz .failed
    xor ebx, ebx
    mov ebp, 7                      # first sector
    ROI_BEGIN
.next:
    mov edi, DISK_WRITE
    lea rdx, [rip + write_pattern]
    call .over_buffer
    call .transfer
    mov edi, DISK_READ
    lea rdx, [rip + clear_pattern]
    call .over_buffer
    call .transfer
    lea rdx, [rip + check_pattern]
    call .over_buffer
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
.transfer:                          # EDI = direction
    mov rsi, rbp
    mov edx, [rip + parameters + PARAM_SECTORS * 8]
    call disk_transfer
    test eax, eax
    jz .good
    inc qword ptr [rip + result + 16]
.good:
    ret
.over_buffer:                       # RDX is called for each word at RAX with its value R8; keeps EDI
    call disk_buffer
    mov ecx, [rip + parameters + PARAM_SECTORS * 8]
    shl ecx, 6
    mov r8, rbx
    shl r8, 32
.word:
    call rdx
    inc r8
    add rax, 8
    dec ecx
    jnz .word
    ret

write_pattern:
    mov [rax], r8
    ret
clear_pattern:
    mov qword ptr [rax], 0
    ret
check_pattern:
    cmp [rax], r8
    je .right
    inc qword ptr [rip + result + 8]
.right:
    ret
