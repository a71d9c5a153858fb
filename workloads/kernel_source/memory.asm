# Frames of physical memory: who has one, and how many share it.
#
# 4 KiB frames come from a list of free ones, linked through their first word, or fresh from the bottom of the
# memory behind the image; 2 MiB blocks from a list of their own, or fresh from the top. Each frame has a
# count of the page-table entries (or other owners) that refer to it: 16 bits, in an array behind the image.
# A block is counted at its first frame. Frames are named by their physical address.

@kernel
initialise_frames:
    lea rdi, [rip + kernel_data_end]
    add rdi, USER_TEXT_BYTES + USER_DATA_BYTES
    mov rax, KERNEL_BASE
    sub rdi, rax                    # physical end of the image
    mov rax, DIRECT_MAP
    lea rdx, [rdi + rax]
    mov [rip + frame_references], rdx
    mov rcx, [rip + ram_bytes]
    and rcx, -LARGE_PAGE
    mov [rip + fresh_blocks_end], rcx
    shr rcx, 11                     # two bytes for each frame
    add rcx, PAGE - 1
    and rcx, -PAGE
    add rdi, rcx
    mov [rip + fresh_frame], rdi
    mov rsi, rdi
    mov rdi, rdx
    xor eax, eax
    shr rcx, 3
    rep stosq
    mov rdi, rdx                    # what lies below has the kernel as its owner, for ever
    mov rcx, rsi
    shr rcx, 12
    mov eax, 1
    rep stosw
    ret

# -> RAX = a frame with one owner
allocate_frame:
    mov rax, [rip + free_frames]
    test rax, rax
    jz .fresh
    mov rcx, DIRECT_MAP
    mov rcx, [rcx + rax]
    mov [rip + free_frames], rcx
    jmp owned_once
.fresh:
    mov rax, [rip + fresh_frame]
    cmp rax, [rip + fresh_blocks_end]
    jae out_of_memory
    add qword ptr [rip + fresh_frame], PAGE
owned_once:
    mov rdx, rax
    shr rdx, 12
    mov rcx, [rip + frame_references]
    mov word ptr [rcx + rdx*2], 1
    ret

# -> RAX = a frame full of zeroes
allocate_zeroed_frame:
    call allocate_frame
    mov ecx, PAGE / 8
clear_memory:                       # RCX quadwords from physical RAX, which is kept
    mov rdx, rax
    mov rdi, DIRECT_MAP
    add rdi, rax
    xor eax, eax
    rep stosq
    mov rax, rdx
    ret

# -> RAX = a 2 MiB block full of zeroes
allocate_zeroed_block:
    call allocate_block
    mov ecx, LARGE_PAGE / 8
    jmp clear_memory

# -> RAX = a 2 MiB block with one owner
allocate_block:
    mov rax, [rip + free_blocks]
    test rax, rax
    jz .fresh
    mov rcx, DIRECT_MAP
    mov rcx, [rcx + rax]
    mov [rip + free_blocks], rcx
    jmp owned_once
.fresh:
    mov rax, [rip + fresh_blocks_end]
    sub rax, LARGE_PAGE
    cmp rax, [rip + fresh_frame]
    jb out_of_memory
    mov [rip + fresh_blocks_end], rax
    jmp owned_once

out_of_memory:
    lea rdi, [rip + out_of_memory_text]
    jmp panic

# RDI = frame or block: one owner more
share_frame:
    shr rdi, 12
    mov rcx, [rip + frame_references]
    inc word ptr [rcx + rdi*2]
    ret

# RDI = frame: one owner less; free after the last
release_frame:
    mov rdx, rdi
    shr rdx, 12
    mov rcx, [rip + frame_references]
    dec word ptr [rcx + rdx*2]
    jnz .still_owned
    mov rcx, DIRECT_MAP
    mov rax, [rip + free_frames]
    mov [rcx + rdi], rax
    mov [rip + free_frames], rdi
.still_owned:
    ret

# RDI = block: the same
release_block:
    mov rdx, rdi
    shr rdx, 12
    mov rcx, [rip + frame_references]
    dec word ptr [rcx + rdx*2]
    jnz .still_owned
    mov rcx, DIRECT_MAP
    mov rax, [rip + free_blocks]
    mov [rcx + rdi], rax
    mov [rip + free_blocks], rdi
.still_owned:
    ret

# RDI = frame or block -> EAX = its number of owners
count_owners:
    shr rdi, 12
    mov rcx, [rip + frame_references]
    movzx eax, word ptr [rcx + rdi*2]
    ret

# Copies RCX quadwords from physical RSI to physical RDI.
copy_memory:
    mov rax, DIRECT_MAP
    add rsi, rax
    add rdi, rax
    rep movsq
    ret

@kernel_data
.align 8
frame_references: .quad 0           # pointer to the array
free_frames: .quad 0                # first of the list; 0: none
free_blocks: .quad 0
fresh_frame: .quad 0                # frames from here on have never been used ...
fresh_blocks_end: .quad 0           # ... up to here, where blocks that have begin
out_of_memory_text: .asciz "out of memory"
