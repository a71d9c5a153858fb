# Linux's system calls as the programs of this family use them (x86-64 ABI: number in RAX, arguments in RDI RSI
# RDX R10 R8 R9, result in RAX, an error as a negative number; RCX and R11 are lost), and the region markers.

.set SYS_READ, 0
.set SYS_WRITE, 1
.set SYS_MMAP, 9
.set SYS_MPROTECT, 10
.set SYS_MUNMAP, 11
.set SYS_RT_SIGACTION, 13
.set SYS_RT_SIGRETURN, 15
.set SYS_IOCTL, 16
.set SYS_PIPE, 22
.set SYS_GETPID, 39
.set SYS_FORK, 57
.set SYS_EXECVE, 59
.set SYS_EXIT, 60
.set SYS_WAIT4, 61
.set SYS_KILL, 62
.set SYS_GETPPID, 110
.set SYS_REBOOT, 169

.set PROT_NONE, 0
.set PROT_READ, 1
.set PROT_READ_WRITE, 3
.set MAP_PRIVATE_ANONYMOUS, 0x22
.set MAP_POPULATE, 0x8000
.set SIGUSR1, 10
.set SIGSEGV, 11
.set SA_RESTORER, 0x04000000
.set SA_SIGINFO, 4
.set SA_NODEFER, 0x40000000
.set SIGNAL_CONTEXT_RIP, 168        # of the ucontext that a handler gets in RDX
.set TCSBRK, 0x5409                 # with argument 1: wait until all output has been sent
.set REBOOT_MAGIC1, 0xfee1dead
.set REBOOT_MAGIC2, 672274793
.set REBOOT_POWER_OFF, 0x4321fedc

# Counters of the region of interest run from one marker to the next; see kernel_source/abi.asm.
.macro ROI_BEGIN
    .byte 0x0f, 0x1f, 0x84, 0x00
    .long 0x7b900001
.endm
.macro ROI_END
    .byte 0x0f, 0x1f, 0x84, 0x00
    .long 0x7b900002
.endm

# Memory of `length` bytes: RAX = its address; ends the run if there is none.
.macro MAP_MEMORY length, flags=MAP_PRIVATE_ANONYMOUS
    xor edi, edi
    mov rsi, \length
    mov edx, PROT_READ_WRITE
    mov r10d, \flags
    mov r8, -1
    xor r9d, r9d
    mov eax, SYS_MMAP
    syscall
    test rax, rax
    js failed
.endm

# Word `index` of the run's outcome.
.macro SET_RESULT index, value
    mov [rip + results + \index * 8], \value
.endm
