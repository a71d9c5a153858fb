#: title = "Boot to user space and power off"
#: stresses = "everything that a kernel does to come up: its own page tables, code patching, timers, interrupts, processes"
#: outcome = "result 0 is the number of the first process, 1"
#: small = {}
#: standard = {}
#: large = {}
#: slots = ["process"]

@user
user_main:
    mov eax, SYS_GETPID
    syscall
    SET_RESULT 0, rax
    xor edi, edi
    jmp finish
