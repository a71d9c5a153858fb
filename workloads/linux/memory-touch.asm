#: title = "Random touching of memory on Linux"
#: stresses = "TLB misses and page walks, by footprint: 256 KiB, @1m, @4m, @16m, @64m"
#: outcome = "result 0 is the sum of the words read"
#: small = { footprint = 0x40000, touches = 20000 }
#: standard = { footprint = 0x40000, touches = 200000 }
#: large = { footprint = 0x40000, touches = 2000000 }
#: slots = ["sum"]
#: [variants]
#: "1m" = { footprint = 0x100000 }
#: "4m" = { footprint = 0x400000 }
#: "16m" = { footprint = 0x1000000 }
#: "64m" = { footprint = 0x4000000 }

@user
user_main:
    mov r12, [rdi + PARAM_FOOTPRINT * 8]
    mov r13, [rdi + PARAM_TOUCHES * 8]
    MAP_MEMORY r12
    mov rbx, rax
    xor ecx, ecx
fill:                               # every page is there, and holds its offset
    mov [rbx + rcx], rcx
    add rcx, 4096
    cmp rcx, r12
    jb fill
    dec r12                         # offset mask
    and r12, -4096
    mov eax, 1
    mov r8, 6364136223846793005
    mov r9, 1442695040888963407
    xor esi, esi
    ROI_BEGIN
touch:
    imul rax, r8
    add rax, r9
    mov rdx, rax
    shr rdx, 20                     # the low bits of the generator have short periods
    and rdx, r12
    add rsi, [rbx + rdx]
    dec r13
    jnz touch
    ROI_END
    SET_RESULT 0, rsi
    xor edi, edi
    jmp finish
