"""The public Xen x86-64 PV interface: numbers, structure layouts, errors.

Source: Xen public headers, `xen.h` and `arch-x86/xen-x86_64.h`.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

PAGE = 4096
DOMID_SELF = 0x7FF0

# --- address space ------------------------------------------------------------------------------------
HYPERVISOR_START = 0xFFFF_8000_0000_0000
HYPERVISOR_END = 0xFFFF_8800_0000_0000
M2P = HYPERVISOR_START  # machine-to-physical table, readable by guests
PER_DOMAIN = 0xFFFF_8200_0000_0000  # the descriptor tables' window; for the processor only
FIRST_XEN_SLOT, FIRST_GUEST_SLOT_ABOVE = 256, 272  # PML4 slots in between are Xen's
INVALID_M2P_ENTRY = (1 << 64) - 1

# --- segments -----------------------------------------------------------------------------------------
FLAT_CODE64, FLAT_CODE32, FLAT_DATA = 0xE033, 0xE023, 0xE02B
FLAT_RING1_CODE64, FLAT_RING1_DATA = 0xE019, 0xE011  # for kernels at CPL 1
DIRECT_TRAP_VECTOR = 0x80
FIRST_RESERVED_GDT_PAGE = 14
GDT_ENTRIES_MAXIMUM = FIRST_RESERVED_GDT_PAGE * 512


class Errno(IntEnum):
    """Errors; hypercalls return them negated."""

    EPERM = 1
    ENOENT = 2
    ESRCH = 3
    E2BIG = 7
    ENOMEM = 12
    EACCES = 13
    EFAULT = 14
    EBUSY = 16
    EEXIST = 17
    EINVAL = 22
    ENOSPC = 28
    ENOSYS = 38
    ETIME = 62


class HypercallError(Exception):
    """A hypercall ends with -`errno`; the sentence says which rule was broken."""

    def __init__(self, errno: Errno, sentence: str = "") -> None:
        super().__init__(sentence or errno.name)
        self.errno = errno


class ForeignFrame(HypercallError):
    """A call about a machine frame that is not the domain's."""

    def __init__(self, errno: Errno, mfn: int, sentence: str = "") -> None:
        super().__init__(errno, sentence or f"frame {mfn:#x} is not the domain's")
        self.mfn = mfn


class MmuUpdate(IntEnum):
    """Low bits of mmu_update's `ptr`."""

    NORMAL = 0
    MACHPHYS = 1
    PRESERVE_AD = 2


class MmuExt(IntEnum):
    """Commands of mmuext_op."""

    PIN_L1_TABLE = 0
    PIN_L2_TABLE = 1
    PIN_L3_TABLE = 2
    PIN_L4_TABLE = 3
    UNPIN_TABLE = 4
    NEW_BASEPTR = 5
    TLB_FLUSH_LOCAL = 6
    INVLPG_LOCAL = 7
    TLB_FLUSH_MULTI = 8
    INVLPG_MULTI = 9
    TLB_FLUSH_ALL = 10
    INVLPG_ALL = 11
    FLUSH_CACHE = 12
    SET_LDT = 13
    NEW_USER_BASEPTR = 15
    CLEAR_PAGE = 16
    COPY_PAGE = 17


class UvmFlag(IntEnum):
    """What update_va_mapping flushes (low two bits of its flags)."""

    NONE = 0
    TLB_FLUSH = 1
    INVLPG = 2


class SchedOp(IntEnum):
    """Commands of sched_op."""

    YIELD = 0
    BLOCK = 1
    SHUTDOWN = 2
    POLL = 3


class Shutdown(IntEnum):
    """Reasons of sched_op shutdown."""

    POWEROFF = 0
    REBOOT = 1
    SUSPEND = 2
    CRASH = 3


class EventOp(IntEnum):
    """Commands of event_channel_op."""

    BIND_INTERDOMAIN = 0
    BIND_VIRQ = 1
    BIND_PIRQ = 2
    CLOSE = 3
    SEND = 4
    STATUS = 5
    ALLOC_UNBOUND = 6
    BIND_IPI = 7
    BIND_VCPU = 8
    UNMASK = 9
    RESET = 10


class ChannelStatus(IntEnum):
    """What event_channel_op status reports."""

    CLOSED = 0
    UNBOUND = 1
    INTERDOMAIN = 2
    PIRQ = 3
    VIRQ = 4
    IPI = 5


class GrantOp(IntEnum):
    """Commands of grant_table_op (Xen public header `grant_table.h`)."""

    MAP_GRANT_REF = 0
    UNMAP_GRANT_REF = 1
    SETUP_TABLE = 2
    COPY = 5
    QUERY_SIZE = 6
    SET_VERSION = 8
    GET_VERSION = 10


class GrantStatus(IntEnum):
    """GNTST_*: what a grant operation reports in its record."""

    OKAY = 0
    GENERAL_ERROR = -1
    BAD_DOMAIN = -2
    BAD_REFERENCE = -3
    BAD_HANDLE = -4
    PERMISSION_DENIED = -8
    BAD_PAGE = -9
    BAD_COPY_ARGUMENT = -10


class GrantFlag(IntFlag):
    """Flags of a version-1 grant entry; READING and WRITING are the hypervisor's."""

    PERMIT_ACCESS = 1
    READONLY = 1 << 2
    READING = 1 << 3
    WRITING = 1 << 4


GRANT_TYPE_MASK = 3
GRANT_ENTRY_BYTES = 8
GRANTS_PER_FRAME = PAGE // GRANT_ENTRY_BYTES
GRANT_FRAMES_MAXIMUM = 64
COPY_SOURCE_GRANT, COPY_DESTINATION_GRANT = 1, 2
DOMID_BACKEND = 0  # the driver domain, to which frontends grant their frames

VIRQ_TIMER, VIRQ_DEBUG, VIRQ_CONSOLE = 0, 1, 2
PER_VCPU_VIRQS = frozenset({VIRQ_TIMER, VIRQ_DEBUG, 7, 13})  # and XENOPROF, XENPMU
VIRQS = 24


class VcpuOp(IntEnum):
    """Commands of vcpu_op."""

    IS_UP = 3
    GET_RUNSTATE_INFO = 4
    REGISTER_RUNSTATE_AREA = 5
    SET_PERIODIC_TIMER = 6
    STOP_PERIODIC_TIMER = 7
    SET_SINGLESHOT_TIMER = 8
    STOP_SINGLESHOT_TIMER = 9
    REGISTER_VCPU_INFO = 10
    REGISTER_VCPU_TIME_AREA = 13


class SegmentBase(IntEnum):
    """Targets of set_segment_base."""

    FS = 0
    GS_USER = 1
    GS_KERNEL = 2
    GS_USER_SELECTOR = 3


class VersionOp(IntEnum):
    """Commands of xen_version."""

    VERSION = 0
    EXTRAVERSION = 1
    COMPILE_INFO = 2
    CAPABILITIES = 3
    CHANGESET = 4
    PLATFORM_PARAMETERS = 5
    GET_FEATURES = 6
    PAGESIZE = 7
    GUEST_HANDLE = 8


class MemoryOp(IntEnum):
    """Commands of memory_op."""

    MAXIMUM_RAM_PAGE = 2
    CURRENT_RESERVATION = 3
    MAXIMUM_RESERVATION = 4
    MACHPHYS_MFN_LIST = 5
    MEMORY_MAP = 9
    MACHPHYS_MAPPING = 12


class Feature(IntFlag):
    """Word 0 of xen_version get_features."""

    MMU_PT_UPDATE_PRESERVE_AD = 1 << 5
    HIGHMEM_ASSIST = 1 << 6
    GNTTAB_MAP_AVAIL_BITS = 1 << 7
    PAE_PGDIR_ABOVE_4GB = 1 << 4


SINGLESHOT_FUTURE = 1  # flag of a one-shot timer: not if its time has passed
TRAP_PRIVILEGE = 3  # bits of a trap_info entry's flags
TRAP_INTERRUPT_GATE = 4  # flag of a trap_info entry: events are masked on entry
CALLBACK_EVENT, CALLBACK_FAILSAFE, CALLBACK_SYSCALL = 0, 1, 2
VGCF_IN_SYSCALL = 0x100

# --- shared_info --------------------------------------------------------------------------------------
VCPU_INFO_BYTES, LEGACY_VCPUS = 64, 32
UPCALL_PENDING, UPCALL_MASK, PENDING_SELECTOR, VCPU_CR2, VCPU_TIME = 0, 1, 8, 16, 32
EVTCHN_PENDING, EVTCHN_MASK, WALL_CLOCK = 2048, 2560, 3072
EVENT_CHANNELS = 4096

# --- start_info ---------------------------------------------------------------------------------------
START_INFO_MAGIC = b"xen-3.0-x86_64"
(
    START_NR_PAGES,
    START_SHARED_INFO,
    START_FLAGS,
    START_STORE_MFN,
    START_STORE_EVTCHN,
    START_CONSOLE_MFN,
    START_CONSOLE_EVTCHN,
    START_PT_BASE,
    START_NR_PT_FRAMES,
    START_MFN_LIST,
    START_MOD_START,
    START_MOD_LEN,
    START_CMD_LINE,
    START_FIRST_P2M_PFN,
    START_NR_P2M_FRAMES,
) = (32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 1152, 1160)
CMD_LINE_BYTES = 1024
