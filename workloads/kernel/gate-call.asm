#: title = "System call by a gate"
#: stresses = "entry to the kernel by INT 80H and return by IRET: a null call, @install, @signal"
#: outcome = "result 0 is the number of calls that returned what they should, result 1 that of signals handled"
#: small = { iterations = 2000, kind = 0 }
#: standard = { iterations = 20000, kind = 0 }
#: large = { iterations = 200000, kind = 0 }
#: [variants]
#: "install" = { kind = 1 }
#: "signal" = { kind = 2 }

.set GATE_CALL, 0x80

# System calls as Linux made them before it used SYSENTER and SYSCALL, and still takes them from 32-bit programs. The
# default is lmbench's lat_syscall null, variants install and signal are its lat_sig install and catch. A kernel for CPL 1 has this
# gate already.
@kernel
workload_main:
.ifndef PV_DIRECT
.ifdef PV
    mov byte ptr [rip + xen_gate + 1], TRAP_MASKS_EVENTS | TRAP_OPEN_TO_USERS
.endif
    mov edi, GATE_CALL
    lea rsi, [rip + gate_call_entry]
    call set_gate
.ifdef PV
    mov byte ptr [rip + xen_gate + 1], TRAP_MASKS_EVENTS
.else
    lea rax, [rip + idt]
    mov word ptr [rax + GATE_CALL * GATE_BYTES + 4], GATE_INTERRUPT_USER
.endif
.endif
    xor eax, eax
    ret

.ifndef PV_DIRECT
# As system_call_entry, on the frame that the processor has made.
gate_call_entry:
    pv_trap_entry
    push 0
    push SYSTEM_CALL
    SAVE_REGISTERS
    cld
    pv_swapgs
    pv_irq_enable
    mov rcx, r10
    lea r11, [rip + system_calls]
    call [r11 + rax*8]
    mov [rsp + FRAME_RAX], rax
    pv_irq_disable
    mov rdi, rsp
    call prepare_user_mode
    jmp return_to_user
.endif

#     rbp = calls left   ebx = calls that did well   r13d = the call   r14 = its answer   r12, r15 = its arguments
@user
user_main:
    mov rbp, [rdi + PARAM_ITERATIONS * 8]
    push rbp
    mov rbx, [rdi + PARAM_KIND * 8]
    mov r13d, SYS_GETPID
    mov r14d, 1                     # process 1
    mov r12d, SIGNAL_USER
    lea r15, [rip + handler]
    test rbx, rbx
    jz begin
    mov r13d, SYS_SET_HANDLER
    xor r14d, r14d
    dec rbx
    jz begin
    mov edi, r12d
    mov rsi, r15
    mov eax, r13d
    int 0x80
    mov r13d, SYS_KILL
    mov r15d, r12d
    mov r12d, 1
    xor ebx, ebx
begin:
    ROI_BEGIN
again:
    mov edi, r12d
    mov rsi, r15
    mov eax, r13d
    int 0x80
    cmp rax, r14
    sete al
    movzx eax, al
    add rbx, rax
    dec rbp
    jnz again
    ROI_END
    mov eax, SYS_SET_RESULT
    xor edi, edi
    mov rsi, rbx
    syscall
    mov eax, SYS_SET_RESULT
    mov edi, 1
    mov rsi, [rip + signals]
    syscall
    pop rdi
    sub rdi, rbx
    mov eax, SYS_EXIT
    syscall
handler:
    inc qword ptr [rip + signals]
    mov eax, SYS_SIGRETURN
    int 0x80

@user_data
.align 8
signals: .quad 0
