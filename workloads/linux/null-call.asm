#: title = "Null system call on Linux"
#: stresses = "entry to the kernel and return to user mode"
#: outcome = "result 0 is the sum of the parent process numbers returned (0 each), plus the calls made"
#: small = { iterations = 4000 }
#: standard = { iterations = 40000 }
#: large = { iterations = 400000 }
#: slots = ["calls"]

@user
# lmbench's lat_syscall null: getppid.
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    xor ebx, ebx
    ROI_BEGIN
again:
    mov eax, SYS_GETPPID
    syscall
    lea rbx, [rbx + rax + 1]
    dec rbp
    jnz again
    ROI_END
    SET_RESULT 0, rbx
    xor edi, edi
    jmp finish
