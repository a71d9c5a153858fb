"""What this project knows of Unicorn 2.1.4's internals (Linux x86-64 wheel): offsets in bytes and exported functions.

Everything here was read from the 2.1.4 binary and is checked at start-up by `self_test`; another build is refused.
"""

from __future__ import annotations

SUPPORTED_VERSION = "2.1.4"
SUPPORTED_PLATFORM = ("Linux", "x86_64")

# struct uc_struct
UC_CPU = 0x1B8  # CPUState *cpu
UC_TCG_CONTEXT = 0x300

# CPUState
CPU_EXIT_REQUEST = 0x15
CPU_CFLAGS_NEXT_TB = 0x18
CPU_INTERRUPT_REQUEST = 0x1C
CPU_ENV_PTR = 0x128
CPU_TB_JMP_CACHE = 0x138
CPU_STATE_WORDS = 0x8180  # unused by the engine: holds the address of our state words
CPU_EXCEPTION_INDEX = 0x81A0
CPU_UC = 0x81A8
CPU_TLB_FILL_SLOTS = (0xA758, 0xA760)  # two copies of the class table; the first is live

# CPUX86State, at CPU + ENV
ENV = 0x8A50
ENV_GPR = 0x00
ENV_EIP = 0x80
ENV_EFLAGS = 0x88
ENV_HFLAGS = 0xB0
ENV_HFLAGS2 = 0xB4
ENV_SEGS = 0xB8  # ES CS SS DS FS GS, 24 bytes each: selector u32, base u64 @8, limit u32 @16, flags u32 @20
ENV_LDT = 0x148
ENV_TR = 0x160
ENV_GDT = 0x178
ENV_IDT = 0x190
ENV_CR = 0x1A8
ENV_BOUNDS = 0x1F8  # BND0-3: lower bound u64, upper bound u64 in one's complement
ENV_BNDCFGS = 0x248
ENV_EFER = 0x250
ENV_SYSENTER_CS = 0x12C0
ENV_SYSENTER_ESP = 0x12C8
ENV_SYSENTER_EIP = 0x12D0
ENV_STAR = 0x12D8
ENV_LSTAR = 0x12E8
ENV_CSTAR = 0x12F0
ENV_FMASK = 0x12F8
ENV_KERNEL_GS_BASE = 0x1300
ENV_TSC_AUX = 0x1320
ENV_PAT = 0x14A0
ENV_ERROR_CODE = 0x1508
ENV_EXCEPTION_IS_INT = 0x150C
ENV_EXCEPTION_NEXT_EIP = 0x1510
ENV_DR = 0x1518
ENV_OLD_EXCEPTION = 0x1578
ENV_INTERCEPT = 0x1590
ENV_INTERCEPT_CR_READ = 0x1598
ENV_INTERCEPT_CR_WRITE = 0x159A
ENV_INTERCEPT_DR_READ = 0x159C
ENV_INTERCEPT_DR_WRITE = 0x159E
ENV_INTERCEPT_EXCEPTIONS = 0x15A0
ENV_UC = 0x1B58
SEGMENT_BYTES = 24

# TranslationBlock
TB_PC = 0x00
TB_FLAGS = 0x10
TB_SIZE = 0x14  # u16
TB_ICOUNT = 0x16  # u16
TB_CFLAGS = 0x18
TB_CODE = 0x20
TB_CODE_SIZE = 0x28
TB_ORIGINAL = 0x30  # used by the engine only for uncached blocks, which modelled RAM never has: holds our profile slot
TB_PAGE_ADDRESS = 0x48
CFLAGS_COUNT = 0x7FFF

# hflags bits
HF_CPL = 3
HF_INHIBIT_IRQ = 1 << 3
HF_GUEST = 1 << 21
HF_BOUNDS = 1 << 25
HF2_NMI = 1 << 2  # NMIs are blocked until IRET
HF2_NMI_HELD = 1 << 31  # a bit that the engine does not use: NMIs are blocked whatever IRET does
TB_EFLAGS_MASK = 0x73100  # EFLAGS bits that are part of a block's flags

# interrupt_request bits
INTERRUPT_HARD = 0x2
INTERRUPT_VIRQ = 0x100
INTERRUPT_NMI = 0x200

# Functions exported by the library and called by the native layer.
EXPORTS = (
    "x86_cpu_do_interrupt_x86_64",
    "do_interrupt_x86_hardirq_x86_64",
    "raise_exception_err_ra_x86_64",
    "cpu_vmexit_x86_64",
    "cpu_exit",
    "cpu_loop_exit_noexc_x86_64",
    "tlb_flush_x86_64",
    "tlb_flush_page_x86_64",
    "tlb_set_page_x86_64",
    "tb_htable_lookup_x86_64",
    "tb_invalidate_phys_range_x86_64",
    "uc_emu_stop",
    "uc_reg_read",
    "uc_reg_write",
)
