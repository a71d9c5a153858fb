# Pipes: a ring of bytes between processes. Readers wait while it is empty, writers while it is full.
#
# Each pipe has one frame, reached through the direct map: a header and the ring. A descriptor is the pipe's
# address with bit 0 set in the writing end; the frame goes back when no process has a descriptor any more.

.set WRITING_END, 1

@kernel
# pipe(u32 descriptors[2])
system_pipe:
    push rbx
    push rbp
    push r12
    mov r12, rdi
    CURRENT rbx
    call free_descriptor
    js .none_free
    mov rbp, rax
    call allocate_zeroed_frame
    mov rcx, DIRECT_MAP
    add rax, rcx
    mov qword ptr [rax + PIPE_REFERENCES], 2
    mov [rbx + PROCESS_FILES + rbp*8], rax
    push rax
    call free_descriptor
    pop rcx
    js .only_one_free
    or rcx, WRITING_END
    mov [rbx + PROCESS_FILES + rax*8], rcx
    mov rsi, rax
    shl rsi, 32
    or rsi, rbp
    mov rdi, r12
    call put_user
.done:
    pop r12
    pop rbp
    pop rbx
    ret
.only_one_free:
    mov qword ptr [rbx + PROCESS_FILES + rbp*8], 0
    mov rax, DIRECT_MAP
    mov rdi, rcx
    sub rdi, rax
    call release_frame
.none_free:
    mov rax, -ENFILE
    jmp .done

# RBX = process -> RAX = its lowest unused descriptor; SF if all are used
free_descriptor:
    xor eax, eax
.next:
    cmp qword ptr [rbx + PROCESS_FILES + rax*8], 0
    je .found
    inc eax
    cmp eax, FILES
    jb .next
    mov rax, -1
.found:
    test rax, rax
    ret

# RDI = process that has got a copy of another's descriptors
reference_files:
    xor ecx, ecx
.next:
    mov rax, [rdi + PROCESS_FILES + rcx*8]
    and rax, ~WRITING_END
    jz .unused
    inc qword ptr [rax + PIPE_REFERENCES]
.unused:
    inc ecx
    cmp ecx, FILES
    jb .next
    ret

# RDI = process: gives up all its descriptors.
close_files:
    push rbx
    push rbp
    mov rbx, rdi
    xor ebp, ebp
.next:
    mov rdi, [rbx + PROCESS_FILES + rbp*8]
    and rdi, ~WRITING_END
    jz .unused
    mov qword ptr [rbx + PROCESS_FILES + rbp*8], 0
    dec qword ptr [rdi + PIPE_REFERENCES]
    jnz .unused
    mov rax, DIRECT_MAP
    sub rdi, rax
    call release_frame
.unused:
    inc ebp
    cmp ebp, FILES
    jb .next
    pop rbp
    pop rbx
    ret

# RDI = descriptor, ESI = end wanted (0 or WRITING_END) -> RAX = pipe, or -EBADF with SF
find_pipe:
    cmp rdi, FILES
    jae .bad
    CURRENT rax
    mov rax, [rax + PROCESS_FILES + rdi*8]
    test rax, rax
    jz .bad
    xor rax, rsi                    # bit 0 is clear if it is the end wanted
    test al, WRITING_END
    jnz .bad
    xor ecx, ecx                    # SF clear: addresses would set it
    ret
.bad:
    mov rax, -EBADF
    test rax, rax
    ret

# read(descriptor, buffer, length) -> bytes read, at least one
system_read:
    push rbx
    push rbp
    push r12
    push r13
    mov rbp, rsi
    mov r12, rdx
    xor esi, esi
    call find_pipe
    js .done
    mov rbx, rax
    xor eax, eax
    test r12, r12
    jz .done
.wait:
    mov r13, [rbx + PIPE_COUNT]
    test r13, r13
    jnz .readable
    lea rdi, [rbx + PIPE_READERS]
    call block_on
    jmp .wait
.readable:
    cmp r13, r12
    cmova r13, r12                  # bytes to read
    xor r12d, r12d
.next:
    mov rax, [rbx + PIPE_POSITION]
    mov rdx, r13
    sub rdx, r12
    call piece
    lea rsi, [rbx + PIPE_RING + rax]
    lea rdi, [rbp + r12]
    push rdx
    call copy_to_user
    pop rdx
    test rax, rax
    jnz .done
    add r12, rdx
    sub [rbx + PIPE_COUNT], rdx
    add rdx, [rbx + PIPE_POSITION]
    and edx, PIPE_CAPACITY - 1
    mov [rbx + PIPE_POSITION], rdx
    cmp r12, r13
    jb .next
    lea rdi, [rbx + PIPE_WRITERS]
    call wake_all
    mov rax, r12
.done:
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# RAX = place in the ring, RDX = bytes -> RDX = as many as lie there in one piece
piece:
    mov ecx, PIPE_CAPACITY
    sub ecx, eax
    cmp rdx, rcx
    cmova rdx, rcx
    ret

# writefd(descriptor, buffer, length) -> length, when all of it is in the pipe
system_writefd:
    push rbx
    push rbp
    push r12
    push r13
    mov rbp, rsi
    mov r13, rdx
    mov esi, WRITING_END
    call find_pipe
    js .done
    mov rbx, rax
    xor r12d, r12d                  # bytes written
.next:
    cmp r12, r13
    jae .written
    mov edx, PIPE_CAPACITY
    sub rdx, [rbx + PIPE_COUNT]
    jz .full
    mov rcx, r13
    sub rcx, r12
    cmp rdx, rcx
    cmova rdx, rcx
    mov rax, [rbx + PIPE_POSITION]
    add rax, [rbx + PIPE_COUNT]
    and eax, PIPE_CAPACITY - 1
    call piece
    lea rdi, [rbx + PIPE_RING + rax]
    lea rsi, [rbp + r12]
    push rdx
    call copy_from_user
    pop rdx
    test rax, rax
    jnz .done
    add r12, rdx
    add [rbx + PIPE_COUNT], rdx
    jmp .next
.full:
    lea rdi, [rbx + PIPE_READERS]
    call wake_all
    lea rdi, [rbx + PIPE_WRITERS]
    call block_on
    jmp .next
.written:
    lea rdi, [rbx + PIPE_READERS]
    call wake_all
    mov rax, r12
.done:
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret
