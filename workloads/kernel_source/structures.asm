# Records in memory: offsets of their fields.

# Trap frame: what an entry to the kernel leaves on the kernel stack, the processor's part last.
.set FRAME_R15, 0
.set FRAME_R14, 8
.set FRAME_R13, 16
.set FRAME_R12, 24
.set FRAME_RBP, 32
.set FRAME_RBX, 40
.set FRAME_R11, 48
.set FRAME_R10, 56
.set FRAME_R9, 64
.set FRAME_R8, 72
.set FRAME_RAX, 80
.set FRAME_RCX, 88
.set FRAME_RDX, 96
.set FRAME_RSI, 104
.set FRAME_RDI, 112
.set FRAME_VECTOR, 120
.set FRAME_ERROR, 128
.set FRAME_RIP, 136
.set FRAME_CS, 144
.set FRAME_RFLAGS, 152
.set FRAME_RSP, 160
.set FRAME_SS, 168
.set FRAME_BYTES, 176

.macro SAVE_REGISTERS
    .irp register, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
    push \register
    .endr
.endm
.macro RESTORE_REGISTERS
    .irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
    pop \register
    .endr
.endm

# The processor's own area, reached through GS in the kernel.
.set CPU_CURRENT, 0                 # the running process
.set CPU_KERNEL_STACK, 8            # top of its kernel stack
.set CPU_USER_RSP, 16               # scratch of the system-call entry
.set CPU_RESCHEDULE, 24             # not 0: the running process should give way before user mode
.set CPU_ROOT, 32                   # physical address of the PML4 in CR3
.set CPU_BYTES, 64

# Process
.set PROCESS_NEXT, 0                # in the queue that it stands in
.set PROCESS_STATE, 8
.set PROCESS_NUMBER, 16
.set PROCESS_PARENT, 24
.set PROCESS_STATUS, 32             # given to exit
.set PROCESS_ROOT, 40               # physical address of its PML4; 0: none of its own
.set PROCESS_KERNEL_STACK, 48       # top
.set PROCESS_RSP, 56                # in the kernel, while it does not run
.set PROCESS_WAKE_AT, 64            # tick
.set PROCESS_SIGNALS, 72            # pending, one bit each
.set PROCESS_FAULT_ADDRESS, 80
.set PROCESS_CHILDREN, 88           # not waited for yet
.set PROCESS_WAITING, 96            # queue: itself, while it waits for a child
.set PROCESS_HANDLERS, 128          # of signals
.set PROCESS_FILES, 256             # descriptors: pipe | 1 if it is the writing end; 0: unused
.set PROCESS_REGIONS, 512           # ordered by address; the first unused one has end 0
.set PROCESS_FPU, 1152              # FXSAVE area
.set PROCESS_SHIFT, 11              # 2048 bytes each
.set PROCESSES, 32
.set FILES, 32

.set STATE_FREE, 0
.set STATE_READY, 1
.set STATE_RUNNING, 2
.set STATE_BLOCKED, 3
.set STATE_ZOMBIE, 4

# Queue of processes
.set QUEUE_HEAD, 0
.set QUEUE_TAIL, 8

# Region: a range of user addresses with the same rights. What backs it is found in the page tables; pages
# that are not there are zero, but for those of the image, which are there from the start.
.set REGION_START, 0
.set REGION_END, 8
.set REGION_FLAGS, 16
.set REGION_BYTES, 32
.set REGIONS, 19                    # and a last one that stays unused
.set REGION_WRITABLE, 1
.set REGION_EXECUTABLE, 2
.set REGION_LARGE, 4
.set REGION_STACK, 8                # grows downwards on demand

# Pipe: one frame, header and ring buffer
.set PIPE_POSITION, 0               # of the oldest byte
.set PIPE_COUNT, 8                  # bytes in the ring
.set PIPE_REFERENCES, 16            # descriptors in all processes
.set PIPE_READERS, 24               # queues
.set PIPE_WRITERS, 40
.set PIPE_RING, 2048
.set PIPE_CAPACITY, 2048            # power of two

# Register rX = the running process; its frame
.macro CURRENT register
    mov \register, gs:[CPU_CURRENT]
.endm
.macro CURRENT_FRAME register
    mov \register, gs:[CPU_KERNEL_STACK]
    sub \register, FRAME_BYTES
.endm
