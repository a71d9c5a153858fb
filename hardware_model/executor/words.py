"""The native event layer's state: one flat array of 64-bit words, each word declared here once.

Native hooks receive the array's address; Python reads and writes the same words through `Engine.words`.
"""

from __future__ import annotations

from enum import IntEnum

WORDS = 512

# Where things are (host addresses unless noted).
(
    UC,
    CPU,
    ENV,
    RAM,
    RAM_BYTES,
    MMU,
    MMU_WORDS,
    COUNTERS,
    COUNTER_COUNT,
    FETCHED,  # one byte per machine frame: 1 once the frame was fetched from
    SLOTS,  # profile slots, see profile.py
    SLOT_COUNT,
    SLOT_LIMIT,
    CODE_BYTES,  # copies of the code of every profiled block
    CODE_BYTES_USED,
    CODE_BYTES_LIMIT,
    CORRECTIONS,  # blocks left early and instructions completed apart, see profile.py
    VMCS,  # current VMCS page; 0 outside VMX operation
    REASON_COUNTERS,  # counter index by basic exit reason
    VECTOR_COUNTERS,  # counter index by exception vector: delivered, then trapped
    TIME_MAP,  # see blocks.units_of: one byte for each byte of a code region of a VMM
    TIME_MAP_BASE,  # machine address of that region
    TIME_MAP_BYTES,  # its size; 0: there is none
) = range(23)

# Functions of the engine, by address.
(
    F_DO_INTERRUPT,
    F_DO_HARD_INTERRUPT,
    F_RAISE_EXCEPTION,
    F_VMEXIT,
    F_CPU_EXIT,
    F_LOOP_EXIT,
    F_TLB_FLUSH,
    F_TLB_FLUSH_PAGE,
    F_TLB_SET_PAGE,
    F_TB_LOOKUP,
    F_TB_INVALIDATE,
    F_STOP,
    F_REGISTER_READ,
    F_REGISTER_WRITE,
    F_EVENT,  # the Python side: f(kind)
) = range(32, 47)

# Virtual time and the current block.
(
    CLOCK,  # virtual time: retired instructions plus idle time
    DEADLINE,  # virtual time of the next platform event
    IDLE,  # idle time contained in CLOCK
    CURRENT_TB,  # block being executed, 0 between blocks
    LAST_TB,  # block of the last precise event: its code bytes can be read
    LIMITED,  # 1 while a block cut at the deadline or at a marker is requested
    RETIRE_INDEX,  # index in its block of the instruction of the last event
    INSTRUCTION_LENGTH,  # bytes of that instruction
    INSTRUCTION_PC,  # where it starts
) = range(64, 73)

# Modes and lines.
(
    MODE,  # see Mode
    IRQ_LINE,  # 1: the interrupt controller has an interrupt for the processor
    STOP,  # see Stop
    CR8,  # task priority, CR8
    TSC_OFFSET,  # the VMCS's, 0 outside VMX operation
    TSC_AUX,
    VECTORING,  # event being delivered (IDT-vectoring information format), 0 when none
    FAULT_ADDRESS,  # linear address of the last page fault
    INJECT,  # event to deliver when the callback returns (VM-entry interruption-information format)
    INJECT_ERROR,
    INJECT_LENGTH,  # instruction length for software events
    WINDOW,  # 1: interrupt-window exiting requested
    VPID_TAGGED,  # 1: transitions keep the TLB
    MARKER,  # immediate of the last region marker
    OWN_SOFTWARE,  # 1: the INT n about to be delivered was executed by the guest itself, not injected
    COMPLETED,  # instructions that a VMM completed for the guest
    VMX_REASON,  # basic exit reason of the intercept being handled
    PENDING_CLASS,  # priority class of the interrupt controller's best request, 0 when none
    NOT_CANONICAL,  # 1: the #GP being raised is due to a non-canonical data address
    TSC_ADJUST,  # what a write of the time-stamp counter added to it
    OWN_INTERRUPTS,  # 1: external interrupts go through the guest's own IDT
) = range(80, 101)

# APIC virtualization (SDM vol. 3C chapter 29).
(
    APIC_ACCESS_PAGE,  # physical address of the APIC-access page | 1; 0: there is none
    VIRTUAL_INTERRUPT,  # 1: a pending virtual interrupt is recognized
) = range(125, 127)

# Non-maskable interrupts, see nmi.py.
(
    NMI_PENDING,  # 1: the processor's NMI pin was raised
    NMI_WINDOW,  # 1: NMI-window exiting requested
    NMI_RULE,  # see NmiRule
    NMI_UNBLOCKED,  # 1: the instruction that faulted is an IRET that ended blocking by NMI
) = range(127, 131)
# Virtual time at which the shadow of a MOV to SS began: one that the engine has there is no STI's. NEVER: none.
MOV_SS_CLOCK = 140
MARKER_CLOCK = 141  # virtual time of the region marker that was announced and is to retire next; NEVER: none is
NEVER = (1 << 64) - 1

# 4 KiB pieces of large pages in the engine's TLB, see memory_access.note_piece.
PIECES = 131  # how many there are, PIECES_KEPT + 1: more than are kept
FIRST_PIECE = 132
PIECES_KEPT = 8

# Arguments of the last event handed to Python.
(
    EVENT_CODE,
    EVENT_VECTOR,
    EVENT_ERROR,
    EVENT_QUALIFICATION,
    EVENT_LINEAR,
    EVENT_PHYSICAL,
    EVENT_SIZE,
    EVENT_VALUE,
    EVENT_WRITE,
    EVENT_RESULT,
) = range(101, 111)

# Faults without progress: a guest that faults for ever retires nothing, so its budget alone would not end it.
FAULT_CLOCK, FAULTS = (
    123,
    124,
)  # virtual time of the last delivery, and how many there were since time last moved
FAULT_LIMIT = 5_000

# 1 + the vector whose INT n a deprivileged guest takes through IDTR; 0: every INT n enters the VMM.
DIRECT_GATE = 111
REGISTER_RFLAGS = 25  # UC_X86_REG_EFLAGS, checked by the self-test
CODE = 112  # two words: the instruction of the last event, see operands.py
SCRATCH = 120  # two words for uc_reg_read and uc_reg_write


class Mode(IntEnum):
    """Who owns the trap vectors."""

    BARE = 0  # the guest: events go through its own IDT
    VMX_NON_ROOT = 1  # the guest, except for what the VMCS makes exit
    DEPRIVILEGED = 2  # the VMM: every event and SYSCALL enters the VMM
    POWER_ON = 3  # nobody yet: addresses are not translated


class NmiRule(IntEnum):
    """What the pin-based controls make of NMIs and of blocking by NMI (SDM vol. 3C 24.6.1, 25.3)."""

    DELIVERED = 0  # through the guest's IDT; IRET ends the blocking
    EXITS = 1  # exits, unless blocked, which IRET does not end
    VIRTUAL = 2  # always exits; what is blocked are virtual NMIs, until IRET


class Stop(IntEnum):
    """Why the engine was stopped."""

    RUNNING = 0
    REQUESTED = 1  # by Python
    TRIPLE_FAULT = 2
    PROFILE_FULL = 3
    HALTED = 4
    BUDGET = 5
    ERROR = 6  # a Python handler raised
    BLOCK_LOST = 7  # the engine ran a block that its tables do not hold


class Event(IntEnum):
    """Events that native code hands to Python."""

    TICK = 1  # CLOCK reached DEADLINE
    ACKNOWLEDGE = 2  # processor takes an interrupt: answer with its vector
    INSTRUCTION = 3  # intercepted instruction EVENT_CODE to be executed by the machine
    HALT = 4  # HLT executed with no interrupt pending
    PORT = 5  # port access EVENT_PHYSICAL, EVENT_SIZE, EVENT_WRITE, EVENT_VALUE
    MMIO = 6  # access to a device register at EVENT_PHYSICAL
    VM_EXIT = 7  # VM exit: see the VMCS
    TRAP = 8  # the VMM's own vector or SYSCALL entry: EVENT_VECTOR, EVENT_ERROR
    MARKER = 9  # region-of-interest marker executed
    FETCH_AHEAD = (
        10  # code from RIP on runs into the page of EVENT_LINEAR: where must its block end?
    )
    APIC_ACCESS = 11  # access to the APIC-access page at EVENT_PHYSICAL: answer as in virtual_apic
    TASK_PRIORITY = 12  # MOV to CR8 changed VTPR under virtual-interrupt delivery
    NOTIFIED = 13  # the notification vector of posted interrupts was acknowledged
    EVALUATE = 14  # VM entry: recognize a pending virtual interrupt
    VIRTUAL_INTERRUPT = 15  # the guest takes the virtual interrupt that was recognized: its vector
    VIRTUAL_HALT = 16  # HLT in non-root operation: until what? answer as in virtual_apic


class Intercept(IntEnum):
    """Intercept codes the engine reports (AMD APM vol. 2 appendix C), and ours from 0x300 up."""

    READ_CR0 = 0x00
    READ_CR3 = 0x03
    READ_CR4 = 0x04
    READ_CR8 = 0x08
    WRITE_CR0 = 0x10
    WRITE_CR3 = 0x13
    WRITE_CR4 = 0x14
    WRITE_CR8 = 0x18
    READ_DR0 = 0x20
    WRITE_DR0 = 0x30
    EXCEPTION = 0x40
    INTR = 0x60
    NMI = 0x61
    VINTR = 0x64
    IDTR_READ = 0x66
    GDTR_READ = 0x67
    LDTR_READ = 0x68
    TR_READ = 0x69
    IDTR_WRITE = 0x6A
    GDTR_WRITE = 0x6B
    LDTR_WRITE = 0x6C
    TR_WRITE = 0x6D
    RDTSC = 0x6E
    RDPMC = 0x6F
    PUSHF = 0x70
    POPF = 0x71
    CPUID = 0x72
    IRET = 0x74
    SWINT = 0x75
    INVD = 0x76
    PAUSE = 0x77
    HLT = 0x78
    INVLPG = 0x79
    INVLPGA = 0x7A
    IOIO = 0x7B
    MSR = 0x7C
    SHUTDOWN = 0x7F
    VMRUN = 0x80
    VMMCALL = 0x81
    VMLOAD = 0x82
    VMSAVE = 0x83
    STGI = 0x84
    CLGI = 0x85
    SKINIT = 0x86
    RDTSCP = 0x87
    WBINVD = 0x89
    MONITOR = 0x8A
    MWAIT = 0x8B
    XSETBV = 0x8D
    EPT_VIOLATION = 0x300
    EPT_MISCONFIGURATION = 0x301
    DEVICE_ACCESS = 0x302
    PORT_ACCESS = 0x303
    SYSCALL = 0x304
    PHYSICAL_INTERRUPT = 0x305
    APIC_ACCESS = 0x306
