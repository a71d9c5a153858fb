# The interface between the kernel and its user programs; both are assembled with this file.
#
# A system call is SYSCALL with its number in RAX and arguments in RDI RSI RDX R10 R8 R9; the result comes
# back in RAX, an error as a negative number. RCX and R11 are lost (the instruction itself uses them), all
# other registers are kept.

.set SYS_EXIT, 0                    # (status)
.set SYS_GETPID, 1                  # () -> process number; the null call
.set SYS_FORK, 2                    # () -> number of the child, 0 in the child
.set SYS_WAIT, 3                    # (status *) -> number of a child that has exited; status may be 0
.set SYS_WRITE, 4                   # (buffer, length) -> length; to the UART
.set SYS_MMAP, 5                    # (length, flags) -> address; anonymous and private
.set SYS_MUNMAP, 6                  # (address, length)
.set SYS_MPROTECT, 7                # (address, length, 0 or MMAP_READ_ONLY)
.set SYS_YIELD, 8                   # ()
.set SYS_SET_HANDLER, 9             # (signal, handler or 0)
.set SYS_KILL, 10                   # (process number, signal)
.set SYS_SIGRETURN, 11              # (); RSP as it was when the handler was entered
.set SYS_PIPE, 12                   # (u32 descriptors[2]): [0] to read from, [1] to write to
.set SYS_READ, 13                   # (descriptor, buffer, length) -> bytes read
.set SYS_WRITEFD, 14                # (descriptor, buffer, length) -> length
.set SYS_EXEC, 15                   # (entry, argument): the user image afresh; argument arrives in RSI
.set SYS_SET_RESULT, 16             # (index, value): word of the run's outcome
.set SYS_SLEEP, 17                  # (timer ticks)
.set SYS_GET_PARAM, 18              # (index) -> workload parameter
.set SYSTEM_CALLS, 19

.set MMAP_POPULATE, 1               # pages are there at once, instead of on the first touch
.set MMAP_READ_ONLY, 2
.set MMAP_LARGE, 4                  # 2 MiB pages

# Errors, negated in RAX; numbers as in Linux.
.set ESRCH, 3
.set EBADF, 9
.set ECHILD, 10
.set EAGAIN, 11
.set ENOMEM, 12
.set EFAULT, 14
.set EINVAL, 22
.set ENFILE, 23
.set ENOSYS, 38

# A handler is entered with the signal in RDI, the interrupted registers at RSI = RSP (a trap frame,
# structures.asm; changing it changes what SYS_SIGRETURN resumes), the address of a bad access in RDX.
# Without a handler a signal ends its process with status 128 + signal.
.set SIGNALS, 16
.set SIGNAL_USER, 10
.set SIGNAL_FAULT, 11
.set SIGNAL_FRAME_RIP, 136

# A user program starts at user_main with RDI = PARAMETER_PAGE, where the workload's 16 parameters are.
.set PARAMETER_PAGE, 0x7ffffff000   # one read-only page, just above the stack
.set STACK_TOP, 0x7ffffff000

# Counters of the region of interest run from one marker to the next. The markers are NOPs (0F 1F /0 with a
# 32-bit displacement) that no technique and no guest can tell from others.
.macro ROI_BEGIN
    .byte 0x0f, 0x1f, 0x84, 0x00
    .long 0x7b900001
.endm
.macro ROI_END
    .byte 0x0f, 0x1f, 0x84, 0x00
    .long 0x7b900002
.endm

# Ports that a VMM leaves to its guest's attacks: IN and OUT as bytes, for a ported kernel executes them, too.
.macro granted_in port
    mov edx, \port
    .byte 0xed                      # in eax, dx
.endm
.macro granted_out port
    mov edx, \port
    .byte 0xef                      # out dx, eax
.endm
