#: title = "Mapping and unmapping memory on Linux"
#: stresses = "mmap, one touch of each page, munmap: page tables filled and emptied"
#: outcome = "result 0 is the number of pages touched"
#: small = { iterations = 40, pages = 16 }
#: standard = { iterations = 400, pages = 16 }
#: large = { iterations = 4000, pages = 16 }
#: slots = ["pages"]

@user
# lmbench's lat_mmap.
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    mov r12, [rdi + PARAM_PAGES * 8]
    mov r13, r12
    shl r13, 12
    xor ebx, ebx
    ROI_BEGIN
again:
    MAP_MEMORY r13
    mov rdi, rax
    mov rcx, r12
touch:
    mov [rax], rcx
    add rax, 4096
    inc rbx
    dec rcx
    jnz touch
    mov rsi, r13
    mov eax, SYS_MUNMAP
    syscall
    test rax, rax
    js failed
    dec rbp
    jnz again
    ROI_END
    SET_RESULT 0, rbx
    xor edi, edi
    jmp finish
