#: title = "INVLPG"
#: stresses = "invalidation of one page's translation, which the next load fetches again"
#: outcome = "result 0 is the sum of the words loaded (7 each)"
#: small = { iterations = 2000 }
#: standard = { iterations = 20000 }
#: large = { iterations = 200000 }

.set CONTENT, 7

@kernel
workload_main:
    mov rcx, [rdi + PARAM_ITERATIONS * 8]
    xor r8d, r8d
    lea rdx, [rip + loaded_page]
    ROI_BEGIN
.next:
    pv_flush_page rdx
    add r8, [rdx]
    dec rcx
    jnz .next
    ROI_END
    mov [rip + result], r8
    xor eax, eax
    ret

@kernel_data
.align PAGE
loaded_page: .quad CONTENT
