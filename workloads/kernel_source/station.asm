# The station at the far end of the wire, which sends and digests traffic on request
# (hardware_model/devices/network/station.py has its frames).

.set STATION_KIND, 14
.set STATION_COUNT, 16
.set STATION_BYTES, 24
.set STATION_DIGEST, 32
.set STATION_GAP, 24
.set STATION_SEED, 32
.set STATION_SIZE, 40
.set STATION_DATA, 24               # where a data frame's words begin
.set STATION_SEND, 1
.set STATION_REPORT_REQUEST, 2
.set STATION_REPORT, 3
.set STATION_DATA_FRAME, 4
.set STATION_REQUEST_BYTES, 60

# All `frames` of `bytes`, the device told of them every `batch` frames, and the station's report. Uses RBX, RBP, R12.
.macro TRANSMIT_FRAMES
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
    call station_fill
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
.endm

@kernel
# RDI = frame, ESI = kind: addresses, type and kind
station_header:
    mov rax, 0x0002020000000002     # to 02:00:00:00:00:02, from 02:00:00:00:00:01
    mov [rdi], rax
    mov dword ptr [rdi + 8], 0x01000000
    mov word ptr [rdi + 12], 0xb588 # ethertype 0x88b5
    mov [rdi + STATION_KIND], si
    ret

# EDI = frames, ESI = bytes of each, RDX = least time between them, RCX = seed
station_request_traffic:
    push rbx
    push rbp
    push r12
    push r13
    mov ebx, edi
    mov ebp, esi
    mov r12, rdx
    mov r13, rcx
    call network_buffer
    mov rdi, rax
    mov esi, STATION_SEND
    call station_header
    mov [rdi + STATION_COUNT], ebx
    mov dword ptr [rdi + STATION_COUNT + 4], 0
    mov [rdi + STATION_GAP], r12
    mov [rdi + STATION_SEED], r13
    mov [rdi + STATION_SIZE], ebp
    mov esi, STATION_REQUEST_BYTES
    call network_send
    call network_kick
    pop r13
    pop r12
    pop rbp
    pop rbx
    ret

# Asks for the report, waits for it, and copies it to the result: frames, bytes, digest.
station_report:
    call network_buffer
    mov rdi, rax
    mov esi, STATION_REPORT_REQUEST
    call station_header
    mov esi, STATION_REQUEST_BYTES
    call network_send
    call network_kick
.wait:
    call network_await
    cmp word ptr [rax + STATION_KIND], STATION_REPORT
    je .report
    mov edi, 1
    call network_release
    jmp .wait
.report:
    mov ecx, [rax + STATION_COUNT]
    mov [rip + result], rcx
    mov rcx, [rax + STATION_BYTES]
    mov [rip + result + 8], rcx
    lea rsi, [rax + STATION_DIGEST]
    lea rdi, [rip + result + 16]
    mov ecx, 4
    rep movsq
    mov edi, 1
    jmp network_release

# RDI = frame, ESI = its bytes, EBP = its number: words that tell frames apart. Keeps RDI and ESI.
station_fill:
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
