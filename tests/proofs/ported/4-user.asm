@user
user_main:
    mov r12, [rdi + PARAM_EXECS * 8]
    mov edi, SIGNAL_FAULT
    call .handle
    mov edi, SIGNAL_USER
    call .handle
    push r12
    .irp register, rbx, rbp, r12, r13, r14, r15
    mov \register, 0x123456789
    .endr
    call user_program
    .irp register, rbx, rbp, r12, r13, r14, r15
    mov rax, \register
    call user_note
    .endr
    pop r12
    mov rbx, [rip + user_hash]
    test r12, r12
    jz user_finish
    lea rdi, [rip + user_again]
    mov rsi, rbx
    mov eax, SYS_EXEC
    syscall
    jmp user_finish
.handle:
    lea rsi, [rip + user_handler]
    mov eax, SYS_SET_HANDLER
    syscall
    ret
user_again:                         # a fresh image, and the hash as its argument
    mov rbx, rsi
    mov rax, [rip + user_hash]
    add rbx, rax
user_finish:
    xor edi, edi
    mov rsi, rbx
    mov eax, SYS_SET_RESULT
    syscall
    xor edi, edi
    mov eax, SYS_EXIT
    syscall

# RAX goes into the hash. Keeps all registers.
user_note:
    push rax
    push rdx
    mov rdx, [rip + user_hash]
    rol rdx, 7
    xor rdx, rax
    inc rdx
    mov [rip + user_hash], rdx
    pop rdx
    pop rax
    ret

user_handler:                       # EDI = signal, RSI = RSP = what was interrupted, RDX = address
    mov eax, edi
    call user_note
    cmp edi, SIGNAL_FAULT
    jne .done
    mov rax, rdx
    call user_note
    mov rax, [rsi + SIGNAL_FRAME_RIP - 48]  # RCX
    call user_note
    mov rax, [rip + user_resume]
    mov [rsi + SIGNAL_FRAME_RIP], rax
    mov rax, [rip + user_rsp]
    mov [rsi + SIGNAL_FRAME_RIP + 24], rax  # RSP
.done:
    mov eax, SYS_SIGRETURN
    syscall

# EDI = page and offset in the last mapping, ESI = what to do, RDX = a value
user_access:
    add rdi, [rip + user_mapping]
    mov [rip + user_rsp], rsp
    lea rax, [rip + user_faulted]
    mov [rip + user_resume], rax
    shl esi, 5
    lea rax, [rip + user_code]
    add rsi, rax
    mov ecx, 3
    mov rax, rdx
    cld
    jmp rsi
user_faulted:
    mov rax, -1
user_done:
    jmp user_note
    ACCESSES user_code, user_done, user_words

# EDI = pages, ESI = flags
user_map:
    and edi, WINDOW_PAGES - 1
    shl edi, 12
    and esi, MMAP_POPULATE | MMAP_READ_ONLY
    mov eax, SYS_MMAP
    syscall
    mov [rip + user_mapping], rax
    jmp user_note
# EDI = first page in the last mapping, ESI = pages
user_unmap:
    mov eax, SYS_MUNMAP
    jmp user_range
# The same, EDX = protection
user_protect:
    and edx, MMAP_READ_ONLY
    mov eax, SYS_MPROTECT
user_range:
    and edi, WINDOW_PAGES - 1
    shl rdi, 12
    add rdi, [rip + user_mapping]
    and esi, WINDOW_PAGES - 1
    shl esi, 12
    syscall
    jmp user_note
# The child does what user_access does with these arguments and ends with its hash; EDX bit 0: the parent too, first.
user_fork:
    push rbx
    push rbp
    push r12
    mov ebx, edi
    mov ebp, esi
    mov r12, rdx
    mov eax, SYS_FORK
    syscall
    test rax, rax
    jz .child
    call user_note
    test rax, rax
    js .done
    test r12b, 1
    jz .wait
    mov edi, ebx
    mov esi, ebp
    mov rdx, r12
    call user_access
.wait:
    lea rdi, [rip + user_status]
    mov eax, SYS_WAIT
    syscall
    call user_note
    mov rax, [rip + user_status]
    call user_note
.done:
    pop r12
    pop rbp
    pop rbx
    ret
.child:
    mov edi, ebx
    mov esi, ebp
    mov rdx, r12
    call user_access
    mov rdi, [rip + user_hash]
    mov eax, SYS_EXIT
    syscall
# A signal to itself, a pipe written to and read from, a word for the console, a turn or a tick given up
user_call:
    and edi, 7
    cmp edi, 1
    jb .signal
    je .pipe
    cmp edi, 3
    jb .console
    je .give_up
    cmp edi, 5
    jb .sleep
    je .unknown
    mov eax, SYS_GETPID
    syscall
    jmp user_note
.signal:
    mov eax, SYS_GETPID
    syscall
    mov rdi, rax
    mov esi, SIGNAL_USER
    mov eax, SYS_KILL
    syscall
    jmp user_note
.pipe:
    lea rdi, [rip + user_status]
    mov eax, SYS_PIPE
    syscall
    call user_note
    test rax, rax
    js .none
    mov edi, [rip + user_status + 4]
    lea rsi, [rip + user_words]
    and edx, 31
    inc edx
    mov eax, SYS_WRITEFD
    syscall
    call user_note
    mov edi, [rip + user_status]
    lea rsi, [rip + user_words + 8]
    mov edx, 64
    mov eax, SYS_READ
    syscall
    jmp user_note
.console:
    lea rdi, [rip + user_words]
    mov byte ptr [rdi], 'x'
    mov esi, 1
    mov eax, SYS_WRITE
    syscall
    jmp user_note
.give_up:
    mov eax, SYS_YIELD
    syscall
    jmp user_note
.sleep:
    mov edi, 1
    mov eax, SYS_SLEEP
    syscall
.none:
    ret
.unknown:
    mov eax, 77
    syscall
    jmp user_note
# Counts down from EDI
user_wait:
    lea ecx, [rdi + 1]
.again:
    dec ecx
    jnz .again
    ret

user_program:
    .zero PROGRAM_BYTES

@user_data
.align 8
user_hash: .quad 0
user_resume: .quad 0
user_rsp: .quad 0
user_mapping: .quad 0
user_status: .quad 0
user_words: .zero 128
