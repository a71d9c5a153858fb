"""Structures of Xen's public headers for x86-64, transcribed field by field; the C rules give the offsets.

`xen.h`, `arch-x86/xen.h`, `event_channel.h`, `vcpu.h`, `memory.h`, `grant_table.h`, `version.h`. Independent of
`techniques.paravirtual.abi`, which has numbers in their place.
"""

from __future__ import annotations

import ctypes as c

U8, I8, U16, I16, U32, I32, U64 = (
    c.c_uint8,
    c.c_int8,
    c.c_uint16,
    c.c_int16,
    c.c_uint32,
    c.c_int32,
    c.c_uint64,
)
VCPUS, WORDS = 32, 64  # XEN_LEGACY_MAX_VCPUS; sizeof(xen_ulong_t) * 8


def structure(name: str, *fields: tuple[str, type]) -> type[c.Structure]:
    """A C structure."""
    return type(name, (c.Structure,), {"_fields_": fields})


arch_vcpu_info = structure("arch_vcpu_info", ("cr2", U64), ("pad", U64))
vcpu_time_info = structure(
    "vcpu_time_info",
    ("version", U32),
    ("pad0", U32),
    ("tsc_timestamp", U64),
    ("system_time", U64),
    ("tsc_to_system_mul", U32),
    ("tsc_shift", I8),
    ("flags", U8),
    ("pad1", U8 * 2),
)
vcpu_info = structure(
    "vcpu_info",
    ("evtchn_upcall_pending", U8),
    ("evtchn_upcall_mask", U8),
    ("evtchn_pending_sel", U64),
    ("arch", arch_vcpu_info),
    ("time", vcpu_time_info),
)
arch_shared_info = structure(
    "arch_shared_info",
    ("max_pfn", U64),
    ("pfn_to_mfn_frame_list_list", U64),
    ("nmi_reason", U64),
    ("pad", U64 * 32),
)
shared_info = structure(
    "shared_info",
    ("vcpu_info", vcpu_info * VCPUS),
    ("evtchn_pending", U64 * WORDS),
    ("evtchn_mask", U64 * WORDS),
    ("wc_version", U32),
    ("wc_sec", U32),
    ("wc_nsec", U32),
    ("wc_sec_hi", U32),
    ("arch", arch_shared_info),
)
console_domain = structure("domU", ("mfn", U64), ("evtchn", U32))
start_info = structure(
    "start_info",
    ("magic", c.c_char * 32),
    ("nr_pages", U64),
    ("shared_info", U64),
    ("flags", U32),
    ("store_mfn", U64),
    ("store_evtchn", U32),
    ("console", console_domain),
    ("pt_base", U64),
    ("nr_pt_frames", U64),
    ("mfn_list", U64),
    ("mod_start", U64),
    ("mod_len", U64),
    ("cmd_line", c.c_char * 1024),
    ("first_p2m_pfn", U64),
    ("nr_p2m_frames", U64),
)
trap_info = structure("trap_info", ("vector", U8), ("flags", U8), ("cs", U16), ("address", U64))
mmu_update = structure("mmu_update", ("ptr", U64), ("val", U64))
mmuext_op = structure("mmuext_op", ("cmd", U32), ("arg1", U64), ("arg2", U64))
multicall_entry = structure("multicall_entry", ("op", U64), ("result", U64), ("args", U64 * 6))
runstate_info = structure(
    "vcpu_runstate_info", ("state", I32), ("state_entry_time", U64), ("time", U64 * 4)
)
machphys_mapping = structure(
    "xen_machphys_mapping", ("v_start", U64), ("v_end", U64), ("max_mfn", U64)
)
feature_info = structure("xen_feature_info", ("submap_idx", U32), ("submap", U32))
grant_entry_v1 = structure("grant_entry_v1", ("flags", U16), ("domid", U16), ("frame", U32))
gnttab_setup_table = structure(
    "gnttab_setup_table",
    ("dom", U16),
    ("nr_frames", U32),
    ("status", I16),
    ("frame_list", U64),
)
gnttab_query_size = structure(
    "gnttab_query_size",
    ("dom", U16),
    ("nr_frames", U32),
    ("max_nr_frames", U32),
    ("status", I16),
)
copy_end = structure("gnttab_copy_end", ("u", U64), ("domid", U16), ("offset", U16))
gnttab_copy = structure(
    "gnttab_copy",
    ("source", copy_end),
    ("dest", copy_end),
    ("len", U16),
    ("flags", U16),
    ("status", I16),
)

# --- numbers --------------------------------------------------------------------------------------------
HYPERCALLS = """set_trap_table 0, mmu_update 1, set_gdt 2, stack_switch 3, set_callbacks 4, fpu_taskswitch 5,
set_debugreg 8, get_debugreg 9, update_descriptor 10, memory_op 12, multicall 13, update_va_mapping 14,
set_timer_op 15, xen_version 17, console_io 18, grant_table_op 20, vm_assist 21, iret 23, vcpu_op 24,
set_segment_base 25, mmuext_op 26, sched_op 29, callback_op 30, event_channel_op 32, physdev_op 33"""
ENUMERATIONS = {
    "MmuUpdate": "NORMAL 0, MACHPHYS 1, PRESERVE_AD 2",
    "MmuExt": """PIN_L1_TABLE 0, PIN_L2_TABLE 1, PIN_L3_TABLE 2, PIN_L4_TABLE 3, UNPIN_TABLE 4, NEW_BASEPTR 5,
TLB_FLUSH_LOCAL 6, INVLPG_LOCAL 7, TLB_FLUSH_MULTI 8, INVLPG_MULTI 9, TLB_FLUSH_ALL 10, INVLPG_ALL 11, FLUSH_CACHE 12,
SET_LDT 13, NEW_USER_BASEPTR 15, CLEAR_PAGE 16, COPY_PAGE 17""",
    "UvmFlag": "NONE 0, TLB_FLUSH 1, INVLPG 2",
    "SchedOp": "YIELD 0, BLOCK 1, SHUTDOWN 2, POLL 3",
    "Shutdown": "POWEROFF 0, REBOOT 1, SUSPEND 2, CRASH 3",
    "EventOp": """BIND_INTERDOMAIN 0, BIND_VIRQ 1, BIND_PIRQ 2, CLOSE 3, SEND 4, STATUS 5, ALLOC_UNBOUND 6, BIND_IPI 7,
BIND_VCPU 8, UNMASK 9, RESET 10""",
    "ChannelStatus": "CLOSED 0, UNBOUND 1, INTERDOMAIN 2, PIRQ 3, VIRQ 4, IPI 5",
    "VcpuOp": """IS_UP 3, GET_RUNSTATE_INFO 4, REGISTER_RUNSTATE_AREA 5, SET_PERIODIC_TIMER 6, STOP_PERIODIC_TIMER 7,
SET_SINGLESHOT_TIMER 8, STOP_SINGLESHOT_TIMER 9, REGISTER_VCPU_INFO 10, REGISTER_VCPU_TIME_AREA 13""",
    "SegmentBase": "FS 0, GS_USER 1, GS_KERNEL 2, GS_USER_SELECTOR 3",
    "VersionOp": """VERSION 0, EXTRAVERSION 1, COMPILE_INFO 2, CAPABILITIES 3, CHANGESET 4, PLATFORM_PARAMETERS 5,
GET_FEATURES 6, PAGESIZE 7, GUEST_HANDLE 8""",
    "MemoryOp": """MAXIMUM_RAM_PAGE 2, CURRENT_RESERVATION 3, MAXIMUM_RESERVATION 4, MACHPHYS_MFN_LIST 5, MEMORY_MAP 9,
MACHPHYS_MAPPING 12""",
    "GrantOp": """MAP_GRANT_REF 0, UNMAP_GRANT_REF 1, SETUP_TABLE 2, COPY 5, QUERY_SIZE 6, SET_VERSION 8,
GET_VERSION 10""",
    "GrantStatus": """OKAY 0, GENERAL_ERROR -1, BAD_DOMAIN -2, BAD_REFERENCE -3, BAD_HANDLE -4, PERMISSION_DENIED -8,
BAD_PAGE -9, BAD_COPY_ARGUMENT -10""",
    "Errno": """EPERM 1, ENOENT 2, ESRCH 3, E2BIG 7, ENOMEM 12, EACCES 13, EFAULT 14, EBUSY 16, EEXIST 17, EINVAL 22, ENOSPC 28,
ENOSYS 38, ETIME 62""",
    "Feature": """PAE_PGDIR_ABOVE_4GB 16, MMU_PT_UPDATE_PRESERVE_AD 32, HIGHMEM_ASSIST 64, GNTTAB_MAP_AVAIL_BITS 128""",
}


def numbers(text: str) -> dict[str, int]:
    """Names and what they stand for."""
    return {name: int(value) for name, value in (row.split() for row in text.split(","))}
