#: title = "IN from port 0x80"
#: stresses = "port input"
#: outcome = "result 0 is the sum of the bytes read; nothing answers at this port, so each is 0xff"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

@kernel
# Adams and Agesen (ASPLOS 2006), nanobenchmark "in": port 0x80 shows POST codes on a PC and is otherwise dead.
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    xor r8d, r8d
    xor eax, eax
    ROI_BEGIN
.next:
    in al, 0x80
    add r8, rax
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    xor eax, eax
    ret
