#: title = "Random programs"
#: stresses = "page-table edits through the pv-ops macros, faults, interrupts and system calls, in an order that a test chooses"
#: outcome = "result 0: hash of what the program saw, 1: words that went into it, 2 to 7: registers"
#: small = { tick_period = 5000, execs = 0 }
#: standard = { tick_period = 5000, execs = 0 }
#: large = { tick_period = 5000, execs = 0 }

# A test writes machine code over kernel_program and user_program: calls of the routines below with EDI, ESI and RDX, and
# arithmetic in RBX, RBP and R12 to R15, which the routines keep. What may fault does so with a place to resume at.

.set WINDOW, 0xffffffffc0200000     # eight pages over eight frames
.set BESIDE, 0xffffffffc0400000     # page tables come and go here
.set WINDOW_PAGES, 8
.set LOG_WORDS, 1000
.set PROGRAM_BYTES, 4096

# What may fault, 32 bytes of code each: RDI = address, RDX = RAX = a value, ECX = 3
.macro ACCESSES code, done, words
    .align 32
\code:
    mov rax, [rdi]
    jmp \done
    .align 32
    mov [rdi], rdx
    jmp \done
    .align 32
    add [rdi], rdx
    jmp \done
    .align 32
    xchg [rdi], rax
    jmp \done
    .align 32
    lock inc dword ptr [rdi]
    jmp \done
    .align 32
    bts qword ptr [rdi], 5
    jmp \done
    .align 32
    push qword ptr [rdi]
    pop rax
    jmp \done
    .align 32
    rep stosb
    jmp \done
    .align 32
    mov rsi, rdi
    lea rdi, [rip + \words]
    rep movsb
    jmp \done
    .align 32
    movups [rdi], xmm0
    jmp \done
    .align 32
    cmpxchg [rdi], rdx
    jmp \done
    .align 32
    or edi, 0xff9                   # over the end of a page
    add [rdi], rdx
    jmp \done
    .align 32
    and rdi, -4096                  # code: changed, and called
    mov byte ptr [rdi + 1], dl
    jmp \done
    .align 32
    and rdi, -4096
    call rdi
    jmp \done
    .align 32
    ud2
    .align 32
    xor ecx, ecx
    div ecx
    .align 32
    bts rcx, 47                     # no address
    mov rax, [rcx]
    .align 32
    int3
    .align 32
    cli
    .align 32
    mov rax, cr0
    .align 32
    in al, dx
.endm
