#: title = "SHA-256"
#: stresses = "32-bit rotates, additions and logic on registers"
#: outcome = "results 0-7 are the digest of `length` bytes 'a', as big-endian words (FIPS 180-4)"
#: small = { length = 6000, tick_period = 2000000 }
#: standard = { length = 60000, tick_period = 2000000 }
#: large = { length = 1000000, tick_period = 2000000 }

@user
# One round of the compression function (FIPS 180-4, section 6.2.2): the caller rotates the names of
# the eight working variables instead of their values. r15 = round * 4, r13 = k, r14 = schedule.
.macro ROUND a, b, c, d, e, f, g, h, offset
    mov r10d, \e                    # h += Sigma1(e) + Ch(e, f, g) + k + w
    ror r10d, 6
    mov r11d, \e
    ror r11d, 11
    xor r10d, r11d
    ror r11d, 14
    xor r10d, r11d
    add \h, r10d
    mov r11d, \f
    xor r11d, \g
    and r11d, \e
    xor r11d, \g
    add \h, r11d
    add \h, [r13 + r15 + \offset]
    add \h, [r14 + r15 + \offset]
    add \d, \h                      # d += h; h += Sigma0(a) + Maj(a, b, c)
    mov r10d, \a
    ror r10d, 2
    mov r11d, \a
    ror r11d, 13
    xor r10d, r11d
    ror r11d, 9
    xor r10d, r11d
    add \h, r10d
    mov r10d, \a
    or r10d, \b
    and r10d, \c
    mov r11d, \a
    and r11d, \b
    or r10d, r11d
    add \h, r10d
.endm

user_main:
    mov r12, PARAM_LENGTH
    mov r12, [rdi + r12*8]
    lea rdi, [r12 + 72]
    mov eax, SYS_MMAP
    mov esi, MMAP_POPULATE
    syscall
    mov rbp, rax                    # the message; fresh pages are zero, as the padding must be
    mov rdi, rax
    mov al, 0x61                    # 'a'
    mov rcx, r12
    rep stosb
    mov byte ptr [rdi], 0x80
    lea rdi, [r12 + 72]
    and rdi, -64                    # bytes with padding
    lea rax, [r12*8]
    bswap rax
    add rdi, rbp
    mov [rdi - 8], rax              # message length in bits, big-endian
    mov r12, rdi
    lea r13, [rip + round_constants]
    lea r14, [rip + schedule]
    push rax                        # fault stack and schedule in before measuring
    pop rax
    mov [r14], rax

    ROI_BEGIN
next_block:
    call compress
    add rbp, 64
    cmp rbp, r12
    jb next_block
    ROI_END

    lea r12, [rip + digest]
    xor ebx, ebx
report_word:
    mov eax, SYS_SET_RESULT
    mov edi, ebx
    mov esi, [r12 + rbx*4]
    syscall
    inc ebx
    cmp ebx, 8
    jb report_word
    mov eax, SYS_EXIT
    xor edi, edi
    syscall

# Adds the 64-byte block at rbp to the digest.
compress:
    xor ecx, ecx
load_word:
    mov eax, [rbp + rcx]
    bswap eax
    mov [r14 + rcx], eax
    add ecx, 4
    cmp ecx, 64
    jb load_word
extend_word:                        # w = sigma1(w-2) + w-7 + sigma0(w-15) + w-16
    mov eax, [r14 + rcx - 8]
    mov edx, eax
    mov esi, eax
    ror eax, 17
    ror edx, 19
    shr esi, 10
    xor eax, edx
    xor eax, esi
    add eax, [r14 + rcx - 28]
    add eax, [r14 + rcx - 64]
    mov edi, [r14 + rcx - 60]
    mov edx, edi
    mov esi, edi
    ror edi, 7
    ror edx, 18
    shr esi, 3
    xor edi, edx
    xor edi, esi
    add eax, edi
    mov [r14 + rcx], eax
    add ecx, 4
    cmp ecx, 256
    jb extend_word

    push r12
    lea r12, [rip + digest]
    mov eax, [r12]
    mov ebx, [r12 + 4]
    mov ecx, [r12 + 8]
    mov edx, [r12 + 12]
    mov esi, [r12 + 16]
    mov edi, [r12 + 20]
    mov r8d, [r12 + 24]
    mov r9d, [r12 + 28]
    xor r15d, r15d
eight_rounds:
    ROUND eax, ebx, ecx, edx, esi, edi, r8d, r9d, 0
    ROUND r9d, eax, ebx, ecx, edx, esi, edi, r8d, 4
    ROUND r8d, r9d, eax, ebx, ecx, edx, esi, edi, 8
    ROUND edi, r8d, r9d, eax, ebx, ecx, edx, esi, 12
    ROUND esi, edi, r8d, r9d, eax, ebx, ecx, edx, 16
    ROUND edx, esi, edi, r8d, r9d, eax, ebx, ecx, 20
    ROUND ecx, edx, esi, edi, r8d, r9d, eax, ebx, 24
    ROUND ebx, ecx, edx, esi, edi, r8d, r9d, eax, 28
    add r15d, 32
    cmp r15d, 256
    jb eight_rounds
    add [r12], eax
    add [r12 + 4], ebx
    add [r12 + 8], ecx
    add [r12 + 12], edx
    add [r12 + 16], esi
    add [r12 + 20], edi
    add [r12 + 24], r8d
    add [r12 + 28], r9d
    pop r12
    ret

@user_data
digest:                             # initial hash value (FIPS 180-4, section 5.3.3)
    .long 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a
    .long 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
round_constants:                    # FIPS 180-4, section 4.2.2
    .long 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1
    .long 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3
    .long 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786
    .long 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da
    .long 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147
    .long 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13
    .long 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b
    .long 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070
    .long 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a
    .long 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208
    .long 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
schedule:
    .zero 256
