"""The basic exit reasons of VT-x up to Skylake (SDM vol. 3D appendix C), declared once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

ENTRY_FAILURE_BIT = 1 << 31
"""Bit 31 of the exit-reason field: the exit is a VM-entry failure (SDM vol. 3C 24.9.1)."""


class Reason(IntEnum):
    """A basic exit reason: bits 15:0 of the exit-reason field.

    The members' attributes: `doc`, one sentence; `qualified`, whether the exit qualification is
    meaningful (SDM vol. 3C 27.2.1); `instruction`, whether the exit is caused by executing one
    instruction, so that the VM-exit instruction length is meaningful (27.2.4).
    """

    doc: str
    qualified: bool
    instruction: bool

    def __new__(cls, number: int, flags: str = "", doc: str = "") -> Reason:
        """Make a member; `flags` holds "q" if it is qualified, "i" for an instruction."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.doc = doc
        member.qualified = "q" in flags
        member.instruction = "i" in flags
        return member

    EXCEPTION_NMI = 0, "q", "an exception selected by the exception bitmap, or an NMI"
    EXTERNAL_INTERRUPT = 1, "", "an external interrupt arrived and its exiting was on"
    TRIPLE_FAULT = 2, "", "a fault occurred while a double fault was being delivered"
    INIT_SIGNAL = 3, "", "an INIT signal arrived"
    STARTUP_IPI = 4, "q", "a start-up IPI arrived while the logical processor waited for one"
    IO_SMI = 5, "", "an SMI arrived immediately after an I/O instruction"
    OTHER_SMI = 6, "", "an SMI arrived, not immediately after an I/O instruction"
    INTERRUPT_WINDOW = 7, "", "interrupts became deliverable while interrupt-window exiting was on"
    NMI_WINDOW = 8, "", "NMIs became deliverable while NMI-window exiting was on"
    TASK_SWITCH = 9, "qi", "the guest attempted a hardware task switch"
    CPUID = 10, "i", "the guest executed CPUID"
    GETSEC = 11, "i", "the guest executed GETSEC"
    HLT = 12, "i", "the guest executed HLT while HLT exiting was on"
    INVD = 13, "i", "the guest executed INVD"
    INVLPG = 14, "qi", "the guest executed INVLPG while INVLPG exiting was on"
    RDPMC = 15, "i", "the guest executed RDPMC while RDPMC exiting was on"
    RDTSC = 16, "i", "the guest executed RDTSC while RDTSC exiting was on"
    RSM = 17, "i", "the guest executed RSM in system-management mode"
    VMCALL = 18, "i", "the guest executed VMCALL"
    VMCLEAR = 19, "qi", "the guest executed VMCLEAR"
    VMLAUNCH = 20, "i", "the guest executed VMLAUNCH"
    VMPTRLD = 21, "qi", "the guest executed VMPTRLD"
    VMPTRST = 22, "qi", "the guest executed VMPTRST"
    VMREAD = 23, "qi", "the guest executed VMREAD"
    VMRESUME = 24, "i", "the guest executed VMRESUME"
    VMWRITE = 25, "qi", "the guest executed VMWRITE"
    VMXOFF = 26, "i", "the guest executed VMXOFF"
    VMXON = 27, "qi", "the guest executed VMXON"
    CR_ACCESS = 28, "qi", "a control-register access that the controls intercept"
    DR_ACCESS = 29, "qi", "the guest executed MOV DR while MOV-DR exiting was on"
    IO_INSTRUCTION = 30, "qi", "a port access that the I/O controls or bitmaps intercept"
    RDMSR = 31, "i", "the guest read an MSR that the MSR bitmaps intercept"
    WRMSR = 32, "i", "the guest wrote an MSR that the MSR bitmaps intercept"
    ENTRY_FAILURE_GUEST_STATE = 33, "q", "VM entry failed one of the checks on the guest-state area"
    ENTRY_FAILURE_MSR_LOADING = 34, "q", "VM entry failed to load an MSR"
    MWAIT = 36, "qi", "the guest executed MWAIT while MWAIT exiting was on"
    MONITOR_TRAP_FLAG = 37, "", "a VM exit pended by the monitor trap flag"
    MONITOR = 39, "i", "the guest executed MONITOR while MONITOR exiting was on"
    PAUSE = 40, "i", "the guest executed PAUSE while PAUSE exiting was on"
    ENTRY_FAILURE_MACHINE_CHECK = 41, "", "a machine-check event occurred during VM entry"
    TPR_BELOW_THRESHOLD = 43, "", "the virtual task priority fell below the TPR threshold"
    APIC_ACCESS = 44, "q", "the guest accessed the APIC-access page"
    VIRTUALIZED_EOI = 45, "q", "an EOI was virtualized for a vector of the EOI-exit bitmap"
    GDTR_IDTR_ACCESS = 46, "qi", "LGDT, LIDT, SGDT or SIDT with descriptor-table exiting on"
    LDTR_TR_ACCESS = 47, "qi", "LLDT, LTR, SLDT or STR with descriptor-table exiting on"
    EPT_VIOLATION = 48, "q", "a guest-physical access that the EPT entries do not permit"
    EPT_MISCONFIGURATION = 49, "", "a guest-physical access met a malformed EPT entry"
    INVEPT = 50, "qi", "the guest executed INVEPT"
    RDTSCP = 51, "i", "the guest executed RDTSCP while RDTSC exiting was on"
    PREEMPTION_TIMER = 52, "", "the VMX-preemption timer counted down to zero"
    INVVPID = 53, "qi", "the guest executed INVVPID"
    WBINVD = 54, "i", "the guest executed WBINVD while WBINVD exiting was on"
    XSETBV = 55, "i", "the guest executed XSETBV"
    APIC_WRITE = 56, "q", "a write to the virtual-APIC page that the VMM must virtualize"
    RDRAND = 57, "i", "the guest executed RDRAND while RDRAND exiting was on"
    INVPCID = 58, "qi", "the guest executed INVPCID while INVLPG exiting was on"
    VMFUNC = 59, "i", "the guest invoked a VM function that is not enabled or that failed"
    ENCLS = 60, "i", "the guest executed an ENCLS leaf that the ENCLS-exiting bitmap intercepts"
    RDSEED = 61, "i", "the guest executed RDSEED while RDSEED exiting was on"
    PAGE_MODIFICATION_LOG_FULL = 62, "q", "the page-modification log was full"
    XSAVES = 63, "qi", "XSAVES of a component that the XSS-exiting bitmap intercepts"
    XRSTORS = 64, "qi", "XRSTORS of a component that the XSS-exiting bitmap intercepts"


@dataclass(frozen=True, slots=True)
class ExitReason:
    """One row of the table of exit reasons.

    `number` is the basic exit reason, `name` its lower-case name (the counter is `exit.<name>`),
    `doc` its meaning; `qualified` and `instruction` are those of `Reason`.
    """

    number: int
    name: str
    doc: str
    qualified: bool
    instruction: bool


EXIT_REASONS: tuple[ExitReason, ...] = tuple(
    ExitReason(int(reason), reason.name.lower(), reason.doc, reason.qualified, reason.instruction)
    for reason in Reason
)
"""All basic exit reasons in the order of their numbers."""

BY_NUMBER: dict[int, ExitReason] = {row.number: row for row in EXIT_REASONS}
BY_NAME: dict[str, ExitReason] = {row.name: row for row in EXIT_REASONS}
