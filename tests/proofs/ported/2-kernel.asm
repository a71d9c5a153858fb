@kernel
workload_main:
    .irp register, rbx, rbp, r12, r13, r14, r15
    push \register
    .endr
    call fuzz_prepare
    call start_ticking
    .irp register, rbx, rbp, r12, r13, r14, r15
    mov \register, 0x123456789
    .endr
    call kernel_program
    pv_irq_disable
    .irp register, rbx, rbp, r12, r13, r14, r15
    mov rax, \register
    call fuzz_note
    .endr
    .irp register, r15, r14, r13, r12, rbp, rbx
    pop \register
    .endr
    xor eax, eax
    ret

fuzz_prepare:
    push rbx
    xor ebx, ebx
.next_frame:
    call allocate_zeroed_frame
    lea rcx, [rip + fuzz_frames]
    mov [rcx + rbx*8], rax
    mov rdx, DIRECT_MAP
    lea rdi, [rax + rdx]
    mov ecx, PAGE / 4
    lea eax, [rbx + 1]              # full of its number, behind some code
    mov rdx, rdi
    rep stosd
    mov rax, 0xc3c0ff00000001b8     # MOV EAX, 1; INC EAX; RET
    mov [rdx], rax
    inc ebx
    cmp ebx, WINDOW_PAGES
    jb .next_frame
    mov rdi, [rip + kernel_root]
    mov rsi, WINDOW
    mov edx, LEVEL_PAGE
    call make_slot
    mov [rip + fuzz_table], rax
    xor edi, edi
    xor esi, esi
    mov edx, ENTRY_PRESENT | ENTRY_WRITABLE
    call fuzz_batch
    lea rax, [rip + fuzz_fault]
    .irp vector, 0, 3, 6, 13, 14
    mov [rip + trap_handlers + \vector * 8], rax
    .endr
    pop rbx
    ret

# RAX goes to the log. Keeps all other registers.
fuzz_note:
    push rcx
    push rdx
    mov rcx, [rip + fuzz_logged]
    cmp rcx, LOG_WORDS
    jae .full
    lea rdx, [rip + fuzz_log]
    mov [rdx + rcx*8], rax
    inc qword ptr [rip + fuzz_logged]
.full:
    pop rdx
    pop rcx
    ret

# Exceptions of the kernel itself, where one was expected; all others are the kernel's business.
fuzz_fault:
    test byte ptr [rdi + FRAME_CS], FROM_USER
    jnz .not_ours
    cmp qword ptr [rip + fuzz_resume], 0
    je .not_ours
    mov rax, [rdi + FRAME_VECTOR]
    call fuzz_note
    mov rax, [rdi + FRAME_ERROR]
    call fuzz_note
    mov rax, [rdi + FRAME_RCX]      # how far a string instruction has come
    call fuzz_note
    cmp qword ptr [rdi + FRAME_VECTOR], VECTOR_PAGE_FAULT
    jne .noted
    pv_read_fault_address rax
    call fuzz_note
.noted:
    mov rax, [rip + fuzz_resume]
    mov [rdi + FRAME_RIP], rax
    mov rax, [rip + fuzz_rsp]
    mov [rdi + FRAME_RSP], rax
    ret
.not_ours:
    cmp qword ptr [rdi + FRAME_VECTOR], VECTOR_PAGE_FAULT
    je page_fault
    jmp unexpected_exception

# EDI = page and offset, ESI = what to do, RDX = a value
fuzz_access:
    mov rax, WINDOW
    add rdi, rax
fuzz_do:
    mov [rip + fuzz_rsp], rsp
    lea rax, [rip + fuzz_faulted]
    mov [rip + fuzz_resume], rax
    shl esi, 5
    lea rax, [rip + access_code]
    add rsi, rax
    mov ecx, 3
    mov rax, rdx
    cld
    jmp rsi
fuzz_faulted:
    mov rax, -1
fuzz_done:
    mov qword ptr [rip + fuzz_resume], 0
    jmp fuzz_note
    ACCESSES access_code, fuzz_done, fuzz_words

kernel_program:
    .zero PROGRAM_BYTES

@kernel_data
.align 8
fuzz_table: .quad 0
fuzz_resume: .quad 0
fuzz_rsp: .quad 0
fuzz_words: .zero LOG_WORDS
fuzz_frames: .zero 8 * WINDOW_PAGES
fuzz_logged: .quad 0
fuzz_log: .zero 8 * LOG_WORDS
