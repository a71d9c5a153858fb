#: title = "Receiving frames"
#: stresses = "descriptors or rings filled by the device, interrupts, buffers given back"
#: outcome = "result 0 counts frames, 1 adds their 64-bit words, 2 those out of sequence, 3 adds their bytes"
#: needs = ["devices"]
#: slots = ["frames", "sum", "out of sequence", "bytes"]
#: small = { frames = 128, bytes = 1500, gap = 0, batch = 16, moderation = 100 }
#: standard = { frames = 1024, bytes = 1500, gap = 0, batch = 16, moderation = 100 }
#: large = { frames = 8192, bytes = 1500, gap = 0, batch = 16, moderation = 100 }
#: variants = { "64" = { bytes = 64 }, "256" = { bytes = 256 }, "1024" = { bytes = 1024 } }

# The station sends all frames at the wire's speed. Interrupts come at most every `moderation` * 256 ns from a device
# that moderates; buffers are given back `batch` at a time.

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    call initialise_devices
    jnz .failed
    mov ebx, [rip + parameters + PARAM_FRAMES * 8]
    xor ebp, ebp                    # sequence
    xor r12d, r12d                  # buffers to give back
    mov edi, ebx
    mov esi, [rip + parameters + PARAM_BYTES * 8]
    mov rdx, [rip + parameters + PARAM_GAP * 8]
    mov ecx, 1
    ROI_BEGIN
    call station_request_traffic
.next:
    call network_await
    cmp ebp, [rax + STATION_COUNT]
    je .in_sequence
    inc qword ptr [rip + result + 16]
.in_sequence:
    add [rip + result + 24], rdx
    call add_words
    inc ebp
    inc r12d
    cmp r12d, [rip + parameters + PARAM_BATCH * 8]
    jb .more
    mov edi, r12d
    call network_release
    xor r12d, r12d
.more:
    cmp ebp, ebx
    jb .next
    ROI_END
    mov [rip + result], rbp
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop r12
    pop rbp
    pop rbx
    ret

# RAX = frame, EDX = its bytes: result 1 adds the words of its data
add_words:
    lea rsi, [rax + STATION_DATA]
    lea ecx, [rdx - STATION_DATA]
    shr ecx, 3
    xor eax, eax
.next:
    add rax, [rsi]
    add rsi, 8
    dec ecx
    jnz .next
    add [rip + result + 8], rax
    ret
