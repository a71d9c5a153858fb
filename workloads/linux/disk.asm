#: title = "Disk on Linux"
#: stresses = "requests of a block layer, its driver's commands or ring, DMA, one interrupt for each request"
#: outcome = "result 0 counts requests, 1 adds the 64-bit words read, 2 counts requests that failed"
#: needs = ["devices"]
#: slots = ["requests", "sum", "errors"]
#: small = { requests = 64, sectors = 8, write = 0 }
#: standard = { requests = 512, sectors = 8, write = 0 }
#: large = { requests = 4096, sectors = 8, write = 0 }
#: [variants]
#: "64k" = { sectors = 128 }
#: "write" = { write = 1 }
#: "write-64k" = { write = 1, sectors = 128 }

.set DISK_NAME, 10                  # bytes of a name

@user
# Reads or writes past the page cache (O_DIRECT), spread over the disk, one after the other. What was written is read
# back after the region of interest.
#
#     r12 = bytes of a request   r13 = requests   r14 = descriptor   rbx = buffer   rbp = number of the request
user_main:
    mov r13, [rdi + PARAM_REQUESTS * 8]
    mov r12, [rdi + PARAM_SECTORS * 8]
    mov rax, [rdi + PARAM_WRITE * 8]
    mov [rip + writing], rax
    shl r12, 9
    SET_RESULT 0, r13
    call start_devices
    call open_disk
    mov r14, rax
    MAP_MEMORY r12, MAP_PRIVATE_ANONYMOUS | MAP_POPULATE
    mov rbx, rax
    xor ebp, ebp
    ROI_BEGIN
next_request:
    mov eax, SYS_PREAD
    cmp qword ptr [rip + writing], 0
    je transfer
    call fill_buffer
    mov eax, SYS_PWRITE
transfer:
    call transfer_block
    call add_words
    inc rbp
    cmp rbp, r13
    jb next_request
    ROI_END
    cmp qword ptr [rip + writing], 0
    je finished
    xor ebp, ebp
    mov qword ptr [rip + results + 8], 0
read_back:
    mov eax, SYS_PREAD
    call transfer_block
    call add_words
    inc rbp
    cmp rbp, r13
    jb read_back
finished:
    mov rdi, [rip + results + 16]
    jmp finish

# -> RAX = descriptor of the disk, whatever its driver calls it
open_disk:
    mov r15d, PATIENCE
try_disks:
    lea rbx, [rip + disk_names]
try_disk:
    mov rdi, rbx
    mov esi, O_RDWR | O_DIRECT
    mov eax, SYS_OPEN
    syscall
    test rax, rax
    jns disk_opened
    add rbx, DISK_NAME
    cmp byte ptr [rbx], 0
    jne try_disk
    call wait_for_device
    jmp try_disks
disk_opened:
    ret

# RAX = SYS_PREAD or SYS_PWRITE, RBP = request
transfer_block:
    imul r10, rbp, 4099             # as io/disk-read: sectors spread over the disk
    and r10d, 0xffff
    shl r10, 9
    mov rdi, r14
    mov rsi, rbx
    mov rdx, r12
    syscall
    cmp rax, r12
    je transferred
    inc qword ptr [rip + results + 16]
transferred:
    ret

add_words:
    xor ecx, ecx
    xor eax, eax
add_word:
    add rax, [rbx + rcx]
    add rcx, 8
    cmp rcx, r12
    jb add_word
    add [rip + results + 8], rax
    ret

# Words that tell requests, and their places, apart
fill_buffer:
    mov rax, rbp
    shl rax, 32
    xor ecx, ecx
fill_word:
    mov [rbx + rcx], rax
    inc rax
    add rcx, 8
    cmp rcx, r12
    jb fill_word
    ret

@user_data
.align 8
writing: .quad 0
disk_names:
    .ascii "/dev/vda\0\0"
    .ascii "/dev/xvda\0"
    .ascii "/dev/sda\0\0"
    .byte 0
