#: title = "Sending frames"
#: stresses = "descriptors or rings filled by the driver, doorbells, buffers taken back"
#: outcome = "result 0 counts the frames that the station received, 1 their bytes, 2 to 5 hold its digest of them"
#: needs = ["devices"]
#: slots = ["frames", "bytes", "digest 0", "digest 1", "digest 2", "digest 3"]
#: small = { frames = 128, bytes = 1500, batch = 8, moderation = 100 }
#: standard = { frames = 1024, bytes = 1500, batch = 8, moderation = 100 }
#: large = { frames = 8192, bytes = 1500, batch = 8, moderation = 100 }
#: variants = { "64" = { bytes = 64 }, "256" = { bytes = 256 }, "1024" = { bytes = 1024 }, "unbatched" = { batch = 1 } }

# The device is told of new frames every `batch` frames.

@kernel
workload_main:
    push rbx
    push rbp
    push r12
    call initialise_devices
    jnz .failed
    mov ebx, [rip + parameters + PARAM_FRAMES * 8]
    xor ebp, ebp                    # sequence
    xor r12d, r12d                  # queued and not told
    ROI_BEGIN
.next:
    call network_buffer
    mov rdi, rax
    mov esi, STATION_DATA_FRAME
    call station_header
    mov [rdi + STATION_COUNT], ebp
    mov dword ptr [rdi + STATION_COUNT + 4], 0
    mov esi, [rip + parameters + PARAM_BYTES * 8]
    call fill
    call network_send
    inc ebp
    inc r12d
    cmp r12d, [rip + parameters + PARAM_BATCH * 8]
    jb .more
    call network_kick
    xor r12d, r12d
.more:
    cmp ebp, ebx
    jb .next
    call network_kick
    call station_report
    ROI_END
    xor eax, eax
    jmp .end
.failed:
    mov eax, 1
.end:
    pop r12
    pop rbp
    pop rbx
    ret

# RDI = frame, ESI = its bytes, EBP = its number: words that tell frames apart. Keeps RDI and ESI.
fill:
    lea rdx, [rdi + STATION_DATA]
    lea ecx, [rsi - STATION_DATA]
    shr ecx, 3
    mov eax, ebp
    shl rax, 32
.next:
    mov [rdx], rax
    inc rax
    add rdx, 8
    dec ecx
    jnz .next
    ret
