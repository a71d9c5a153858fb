# Where everything lies, and the bits of page-table entries (Intel SDM vol. 3A, section 4.5).
#
#   0x0000000000400000  user text, then user data        } the lower half: one address space
#   0x0000010000000000  mmap area, upwards               } for each process
#   0x0000007ffffff000  user stack below, downwards; parameter page above
#   0xffff880000000000  direct map: all RAM, 2 MiB pages, never executable     } the upper half:
#   0xffffffff80100000  the kernel's image (at KERNEL_BASE + physical address) } the same for all
#   0xffffffffc0000000  local APIC registers, not cached
#
# Physical memory: boot information at 0x500, image at 1 MiB, reference counts of frames, then the frames
# that the kernel gives out: 4 KiB frames upwards, 2 MiB blocks downwards from the top.
# The direct map starts where Linux once had it; the 8 TiB below belong to a Xen hypervisor.

.set PAGE, 4096
.set LARGE_PAGE, 0x200000
.set ENTRIES, 512                   # of a page table

.set KERNEL_BASE, 0xffffffff80000000
.set DIRECT_MAP, 0xffff880000000000
.set LOCAL_APIC, 0xffffffffc0000000
.set LOCAL_APIC_PHYSICAL, 0xfee00000
.set USER_TEXT, 0x400000
.set USER_END, 0x800000000000       # end of the lower half
.set MMAP_START, 0x10000000000
.set STACK_LIMIT, 0x100000          # bytes the stack may grow to

.set BOOT_PML4, 0x1000              # the loader's tables; physical
.set IMAGE_PHYSICAL, 0x100000

# Page-table entries
.set ENTRY_PRESENT, 0x01
.set ENTRY_WRITABLE, 0x02
.set ENTRY_USER, 0x04
.set ENTRY_WRITE_THROUGH, 0x08
.set ENTRY_CACHE_DISABLE, 0x10
.set ENTRY_ACCESSED, 0x20
.set ENTRY_DIRTY, 0x40
.set ENTRY_LARGE, 0x80
.set ENTRY_GLOBAL, 0x100
.set ENTRY_NO_EXECUTE, 0x8000000000000000
.set ENTRY_ADDRESS, 0x000ffffffffff000

# Like Linux, entries are born accessed (and dirty), which saves the processor a locked write each.
.set TABLE_FLAGS, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_USER | ENTRY_ACCESSED | ENTRY_DIRTY
.set USER_PAGE_FLAGS, ENTRY_PRESENT | ENTRY_USER | ENTRY_ACCESSED
.set KERNEL_TEXT_FLAGS, ENTRY_PRESENT | ENTRY_ACCESSED | ENTRY_GLOBAL
.set KERNEL_DATA_FLAGS, ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_ACCESSED | ENTRY_DIRTY | ENTRY_GLOBAL | ENTRY_NO_EXECUTE

# Page-fault error code (SDM vol. 3A, section 4.7)
.set FAULT_PROTECTION, 0x01
.set FAULT_WRITE, 0x02
.set FAULT_USER, 0x04
.set FAULT_FETCH, 0x10

# Segments. SYSRET wants user data just below user code, with a 32-bit code segment below both.
.set KERNEL_CODE, 0x08
.set KERNEL_DATA, 0x10
.set USER_CODE_32, 0x18
.set USER_DATA, 0x20 | 3
.set USER_CODE, 0x28 | 3
.set TSS_SELECTOR, 0x30

.set RFLAGS_IF, 0x200
.set RFLAGS_FIXED, 0x002
.set RFLAGS_USER, 0xcd5             # what a user may choose: CF PF AF ZF SF DF OF
.set SYSTEM_CALL_MASK, 0x47700      # cleared by SYSCALL: TF IF DF IOPL NT AC

.set CR4_SMEP, 1 << 20
.set CR4_SMAP, 1 << 21
.set CR4_PGE, 1 << 7

# Model-specific registers
.set IA32_EFER, 0xc0000080
.set IA32_STAR, 0xc0000081
.set IA32_LSTAR, 0xc0000082
.set IA32_FMASK, 0xc0000084
.set IA32_FS_BASE, 0xc0000100
.set IA32_GS_BASE, 0xc0000101
.set IA32_KERNEL_GS_BASE, 0xc0000102

# Vectors
.set VECTOR_DIVIDE_ERROR, 0
.set VECTOR_DEBUG, 1
.set VECTOR_INVALID_OPCODE, 6
.set VECTOR_DOUBLE_FAULT, 8
.set VECTOR_GENERAL_PROTECTION, 13
.set VECTOR_PAGE_FAULT, 14
.set EXCEPTIONS, 32
.set EXCEPTION_STUB_SHIFT, 4        # each has an entry stub of 16 bytes
.set VECTOR_TIMER, 0x20
.set VECTOR_SELF_IPI, 0x21
.set VECTOR_DISK, 0x22
.set VECTOR_NETWORK, 0x23
.set VECTOR_SPURIOUS, 0xff
.set SYSTEM_CALL, -1                # in place of a vector in the trap frame

# Local APIC registers (SDM vol. 3A, table 11-1)
.set APIC_EOI, 0xb0
.set APIC_SPURIOUS, 0xf0
.set APIC_ICR_LOW, 0x300
.set APIC_LVT_TIMER, 0x320
.set APIC_INITIAL_COUNT, 0x380
.set APIC_CURRENT_COUNT, 0x390
.set APIC_DIVIDE, 0x3e0
.set APIC_SOFTWARE_ENABLE, 0x100
.set APIC_TIMER_PERIODIC, 0x20000
.set APIC_DIVIDE_BY_1, 0xb
.set APIC_TO_SELF, 0x40000          # ICR destination shorthand

# Ports
.set PORT_UART, 0x3f8
.set PORT_EXIT, 0xf4
