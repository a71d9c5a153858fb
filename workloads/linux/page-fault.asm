#: title = "Page fault on Linux"
#: stresses = "demand paging: the first touch of fresh pages"
#: outcome = "result 0 is the number of pages that were zero before they were written"
#: small = { pages = 1024 }
#: standard = { pages = 8192 }
#: large = { pages = 24576 }
#: slots = ["pages"]

@user
user_main:
    mov rbp, [rdi + PARAM_PAGES * 8]
    mov r12, rbp
    shl r12, 12
    MAP_MEMORY r12
    xor ebx, ebx
    ROI_BEGIN
again:
    add rbx, 1
    sub rbx, [rax]
    mov [rax], rbp
    add rax, 4096
    dec rbp
    jnz again
    ROI_END
    SET_RESULT 0, rbx
    xor edi, edi
    jmp finish
