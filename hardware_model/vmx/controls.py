"""The VM-execution, VM-exit and VM-entry controls, with the bits of the SDM (vol. 3C 24.6-24.8)."""

from __future__ import annotations

from enum import IntFlag
from typing import Self


class _ControlFlag(IntFlag):
    """A vector of controls; each named bit has a `doc`, its meaning when it is 1."""

    doc: str

    def __new__(cls, bits: int, doc: str = "") -> Self:
        """Make a control from its bit; combinations of controls have no `doc`."""
        member = int.__new__(cls, bits)
        member._value_ = bits
        member.doc = doc
        return member


class PinBased(_ControlFlag):
    """Pin-based VM-execution controls (SDM vol. 3C 24.6.1, table 24-5)."""

    EXTERNAL_INTERRUPT_EXITING = 1 << 0, "external interrupts cause exits, whatever RFLAGS.IF is"
    NMI_EXITING = 1 << 3, "NMIs cause exits"
    VIRTUAL_NMIS = 1 << 5, "NMI blocking is a virtual state that IRET clears"
    PREEMPTION_TIMER = 1 << 6, "the VMX-preemption timer counts down in the guest"
    POSTED_INTERRUPTS = 1 << 7, "posted interrupts are processed without exits"


class Primary(_ControlFlag):
    """Primary processor-based VM-execution controls (SDM vol. 3C 24.6.2, table 24-6)."""

    INTERRUPT_WINDOW_EXITING = 1 << 2, "exit as soon as an interrupt could be delivered"
    USE_TSC_OFFSETTING = 1 << 3, "the guest's time-stamp counter is offset"
    HLT_EXITING = 1 << 7, "HLT exits"
    INVLPG_EXITING = 1 << 9, "INVLPG exits"
    MWAIT_EXITING = 1 << 10, "MWAIT exits"
    RDPMC_EXITING = 1 << 11, "RDPMC exits"
    RDTSC_EXITING = 1 << 12, "RDTSC and RDTSCP exit"
    CR3_LOAD_EXITING = 1 << 15, "MOV to CR3 exits unless the value is a CR3 target"
    CR3_STORE_EXITING = 1 << 16, "MOV from CR3 exits"
    CR8_LOAD_EXITING = 1 << 19, "MOV to CR8 exits"
    CR8_STORE_EXITING = 1 << 20, "MOV from CR8 exits"
    USE_TPR_SHADOW = 1 << 21, "CR8 accesses go to the virtual-APIC page"
    NMI_WINDOW_EXITING = 1 << 22, "exit as soon as no virtual-NMI blocking is in effect"
    MOV_DR_EXITING = 1 << 23, "MOV DR exits"
    UNCONDITIONAL_IO_EXITING = 1 << 24, "every I/O instruction exits, unless I/O bitmaps are used"
    USE_IO_BITMAPS = 1 << 25, "the I/O bitmaps say which ports exit"
    MONITOR_TRAP_FLAG = 1 << 27, "exit after each instruction"
    USE_MSR_BITMAPS = 1 << 28, "the MSR bitmaps say which MSRs exit; otherwise all do"
    MONITOR_EXITING = 1 << 29, "MONITOR exits"
    PAUSE_EXITING = 1 << 30, "PAUSE exits"
    ACTIVATE_SECONDARY_CONTROLS = 1 << 31, "the secondary controls are in effect"


class Secondary(_ControlFlag):
    """Secondary processor-based VM-execution controls (SDM vol. 3C 24.6.2, table 24-7)."""

    VIRTUALIZE_APIC_ACCESSES = 1 << 0, "accesses to the APIC-access page are virtualized or exit"
    ENABLE_EPT = 1 << 1, "guest-physical addresses are translated by EPT"
    DESCRIPTOR_TABLE_EXITING = 1 << 2, "LGDT, LIDT, LLDT, LTR, SGDT, SIDT, SLDT and STR exit"
    ENABLE_RDTSCP = 1 << 3, "RDTSCP does not raise #UD"
    VIRTUALIZE_X2APIC_MODE = 1 << 4, "accesses to the x2APIC MSRs are virtualized"
    ENABLE_VPID = 1 << 5, "cached translations are tagged with the VPID"
    WBINVD_EXITING = 1 << 6, "WBINVD exits"
    UNRESTRICTED_GUEST = 1 << 7, "the guest may run with paging or protection off"
    APIC_REGISTER_VIRTUALIZATION = 1 << 8, "APIC registers are read from the virtual-APIC page"
    VIRTUAL_INTERRUPT_DELIVERY = 1 << 9, "pending virtual interrupts are delivered without exits"
    PAUSE_LOOP_EXITING = 1 << 10, "PAUSE in a tight loop exits"
    RDRAND_EXITING = 1 << 11, "RDRAND exits"
    ENABLE_INVPCID = 1 << 12, "INVPCID does not raise #UD"
    ENABLE_VM_FUNCTIONS = 1 << 13, "VMFUNC may be used"
    VMCS_SHADOWING = 1 << 14, "VMREAD and VMWRITE may access a shadow VMCS"
    ENABLE_ENCLS_EXITING = 1 << 15, "the ENCLS-exiting bitmap is used"
    RDSEED_EXITING = 1 << 16, "RDSEED exits"
    ENABLE_PML = 1 << 17, "guest-physical pages written are logged"
    EPT_VIOLATION_VE = 1 << 18, "EPT violations may become #VE"
    ENABLE_XSAVES = 1 << 20, "XSAVES and XRSTORS do not raise #UD"
    USE_TSC_SCALING = 1 << 25, "the guest's time-stamp counter is scaled"


class Exit(_ControlFlag):
    """VM-exit controls (SDM vol. 3C 24.7.1, table 24-10)."""

    SAVE_DEBUG_CONTROLS = 1 << 2, "save DR7 and IA32_DEBUGCTL"
    HOST_ADDRESS_SPACE_SIZE = 1 << 9, "the host runs in 64-bit mode"
    LOAD_PERF_GLOBAL_CTRL = 1 << 12, "load IA32_PERF_GLOBAL_CTRL"
    ACKNOWLEDGE_INTERRUPT = 1 << 15, "an exit by an external interrupt acknowledges it"
    SAVE_PAT = 1 << 18, "save IA32_PAT"
    LOAD_PAT = 1 << 19, "load IA32_PAT"
    SAVE_EFER = 1 << 20, "save IA32_EFER"
    LOAD_EFER = 1 << 21, "load IA32_EFER"
    SAVE_PREEMPTION_TIMER = 1 << 22, "save the VMX-preemption timer's value"


class Entry(_ControlFlag):
    """VM-entry controls (SDM vol. 3C 24.8.1, table 24-12)."""

    LOAD_DEBUG_CONTROLS = 1 << 2, "load DR7 and IA32_DEBUGCTL"
    IA32E_MODE_GUEST = 1 << 9, "the guest runs in IA-32e mode"
    ENTRY_TO_SMM = 1 << 10, "the guest runs in system-management mode"
    DEACTIVATE_DUAL_MONITOR = 1 << 11, "the default treatment of SMIs returns"
    LOAD_PERF_GLOBAL_CTRL = 1 << 13, "load IA32_PERF_GLOBAL_CTRL"
    LOAD_PAT = 1 << 14, "load IA32_PAT"
    LOAD_EFER = 1 << 15, "load IA32_EFER"
