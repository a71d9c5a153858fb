#: title = "SYSCALL and SYSRET"
#: stresses = "the bare round trip from user mode to the kernel and back"
#: outcome = "result 0 is the number of round trips that reached the kernel"
#: small = { iterations = 20000 }
#: standard = { iterations = 200000 }
#: large = { iterations = 2000000 }

# Adams and Agesen (ASPLOS 2006), nanobenchmark "syscall". The kernel's own entry saves registers, enables
# interrupts and dispatches (kernel/null-call measures that); here LSTAR points to an entry in front of it
# that answers one number at once, still on the user's stack, with interrupts off.

.set NANO_CALL, 0x1000

@kernel
workload_main:
    mov ecx, IA32_LSTAR
    lea rax, [rip + nano_entry]
    mov rdx, rax
    shr rdx, 32
    pv_write_msr
    xor eax, eax
    ret

nano_entry:
    cmp eax, NANO_CALL
    jne system_call_entry
    inc rbx
.ifdef PV
    pv_system_call_entry
    pv_system_call_return
.else
    sysret
.endif

@user
user_main:
    mov r12, [rdi + PARAM_ITERATIONS * 8]
    mov rbp, r12
    xor ebx, ebx                    # counted by the kernel
    ROI_BEGIN
again:
    mov eax, NANO_CALL
    syscall
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, rbx
    syscall
    xor edi, edi
    cmp rbx, r12
    setne dil
    mov eax, SYS_EXIT
    syscall
