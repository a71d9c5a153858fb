#: title = "Network on Linux"
#: stresses = "frames through a packet socket: the stack, the card's driver, doorbells, interrupts, buffers"
#: outcome = "result 0 counts the frames that the station received, 1 their bytes, 2 to 5 hold its digest of them; 6 counts the frames received from it, 7 adds their words"
#: needs = ["devices", "network driver"]
#: slots = ["sent", "bytes", "digest 0", "digest 1", "digest 2", "digest 3", "received", "sum"]
#: small = { frames = 128, bytes = 1500 }
#: standard = { frames = 1024, bytes = 1500 }
#: large = { frames = 8192, bytes = 1500 }
#: [variants]
#: "64" = { bytes = 64 }
#: "256" = { bytes = 256 }

# The station at the far end of the wire is that of the family io (hardware_model/devices/network/station.py).
.set STATION_KIND, 14
.set STATION_COUNT, 16
.set STATION_REPORT_FRAMES, 16
.set STATION_REPORT_BYTES, 24
.set STATION_SEED, 32
.set STATION_SIZE, 40
.set STATION_DATA, 24
.set STATION_SEND, 1
.set STATION_REPORT_REQUEST, 2
.set STATION_REPORT, 3
.set STATION_DATA_FRAME, 4
.set REQUEST_BYTES, 60
.set SEED, 7
.set BUFFER, 2048

.set AF_PACKET, 17
.set SOCK_RAW, 3
.set STATION_TYPE, 0xb588           # ethertype 0x88b5 in network order
.set SIOCSIFFLAGS, 0x8914
.set SIOCGIFINDEX, 0x8933
.set IFF_UP, 1
.set SOL_SOCKET, 1
.set SO_RCVTIMEO, 20
.set SO_RCVBUFFORCE, 33
.set ADDRESS_BYTES, 20              # of a sockaddr_ll

@user
#     r12 = bytes of a frame   r13 = frames   r14 = socket   rbx = buffer   rbp = number of the frame
user_main:
    mov r13, [rdi + PARAM_FRAMES * 8]
    mov r12, [rdi + PARAM_BYTES * 8]
    call start_devices
    call open_socket
    MAP_MEMORY BUFFER, MAP_PRIVATE_ANONYMOUS | MAP_POPULATE
    mov rbx, rax
    mov r15d, PATIENCE
    call wait_for_station
    ROI_BEGIN
    xor ebp, ebp
next_frame:
    mov eax, STATION_DATA_FRAME
    call station_header
    mov [rbx + STATION_COUNT], rbp
    call fill_frame
    mov rdx, r12
    call send_frame
    inc rbp
    cmp rbp, r13
    jb next_frame
    call wait_for_station           # its report comes when all frames have left
    mov eax, [rbx + STATION_REPORT_FRAMES]
    SET_RESULT 0, rax
    mov rax, [rbx + STATION_REPORT_BYTES]
    SET_RESULT 1, rax
    xor ecx, ecx
    lea rdi, [rip + results + 16]
copy_digest:
    mov rax, [rbx + STATION_REPORT_BYTES + 8 + rcx]
    mov [rdi + rcx], rax
    add ecx, 8
    cmp ecx, 32
    jb copy_digest
    call request_frames
    xor ebp, ebp
next_received:
    call receive_frame
    test rax, rax
    js received                     # nothing came any more
    cmp word ptr [rbx + STATION_KIND], STATION_DATA_FRAME
    jne next_received
    call add_frame
    inc rbp
    cmp rbp, r13
    jb next_received
received:
    ROI_END
    SET_RESULT 6, rbp
    xor edi, edi
    cmp rbp, r13
    setne dil
    cmp r13, [rip + results]
    je finished
    or edi, 2
finished:
    jmp finish

# -> R14 = a packet socket bound to eth0, which is up
open_socket:
    mov edi, AF_PACKET
    mov esi, SOCK_RAW
    mov edx, STATION_TYPE
    mov eax, SYS_SOCKET
    syscall
    test rax, rax
    js failed
    mov r14, rax
    mov r15d, PATIENCE
find_card:
    mov esi, SIOCGIFINDEX
    call card_request
    test rax, rax
    jns card_found
    call wait_for_device
    jmp find_card
card_found:
    mov eax, [rip + card_value]
    mov [rip + address_card], eax
    mov dword ptr [rip + card_value], IFF_UP
    mov esi, SIOCSIFFLAGS
    call card_request
    test rax, rax
    js failed
    mov rdi, r14
    lea rsi, [rip + address]
    mov edx, ADDRESS_BYTES
    mov eax, SYS_BIND
    syscall
    test rax, rax
    js failed
    mov edx, SO_RCVTIMEO
    lea r10, [rip + timeout]
    mov r8d, 16
    call set_option
    mov edx, SO_RCVBUFFORCE         # all frames may wait
    lea r10, [rip + receive_bytes]
    mov r8d, 4
set_option:
    mov rdi, r14
    mov esi, SOL_SOCKET
    mov eax, SYS_SETSOCKOPT
    syscall
    test rax, rax
    js failed
    ret
card_request:
    mov rdi, r14
    lea rdx, [rip + card]
    mov eax, SYS_IOCTL
    syscall
    ret

# EAX = kind: a frame for the station in the buffer
station_header:
    mov rdx, 0x0002020000000002     # to 02:00:00:00:00:02, from 02:00:00:00:00:01
    mov [rbx], rdx
    mov dword ptr [rbx + 8], 0x01000000
    mov word ptr [rbx + 12], STATION_TYPE
    mov [rbx + STATION_KIND], ax
    ret

# Asks the station for a report until one comes, into the buffer
wait_for_station:
    mov eax, STATION_REPORT_REQUEST
    call station_header
    mov edx, REQUEST_BYTES
    call send_frame
    call receive_frame
    test rax, rax
    js again_later
    cmp word ptr [rbx + STATION_KIND], STATION_REPORT
    je station_answered
again_later:
    call wait_for_device
    jmp wait_for_station
station_answered:
    ret

request_frames:
    mov eax, STATION_SEND
    call station_header
    mov [rbx + STATION_COUNT], r13
    mov qword ptr [rbx + STATION_DATA], 0
    mov qword ptr [rbx + STATION_SEED], SEED
    mov [rbx + STATION_SIZE], r12d
    mov edx, REQUEST_BYTES
send_frame:                         # RDX = bytes
    mov rdi, r14
    mov rsi, rbx
    xor r10d, r10d
    xor r8d, r8d
    xor r9d, r9d
    mov eax, SYS_SENDTO
    syscall
    ret

# -> RAX = bytes, negative if none came in time
receive_frame:
    mov rdi, r14
    mov rsi, rbx
    mov edx, BUFFER
    xor r10d, r10d
    xor r8d, r8d
    xor r9d, r9d
    mov eax, SYS_RECVFROM
    syscall
    ret

# Words that tell frames apart
fill_frame:
    mov rax, rbp
    shl rax, 32
    mov ecx, STATION_DATA
fill_word:
    mov [rbx + rcx], rax
    inc rax
    add rcx, 8
    cmp rcx, r12
    jb fill_word
    ret

# RAX = bytes: whole words after the header
add_frame:
    mov ecx, STATION_DATA
    xor edx, edx
add_word:
    lea rsi, [rcx + 8]
    cmp rsi, rax
    ja words_added
    add rdx, [rbx + rcx]
    mov rcx, rsi
    jmp add_word
words_added:
    add [rip + results + 56], rdx
    ret

@user_data
.align 8
timeout: .quad 0, 20000             # seconds, microseconds
receive_bytes: .long 0x2000000
.align 8
address: .short AF_PACKET, STATION_TYPE
address_card: .long 0
    .quad 0, 0
card: .ascii "eth0\0\0\0\0\0\0\0\0\0\0\0\0"
card_value: .quad 0, 0, 0
