"""The VMCS fields of the modelled generations of VT-x (SDM vol. 3D appendix B), declared once."""

from __future__ import annotations

from enum import IntEnum

from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.field_encoding import FieldType, FieldWidth, type_of, width_of

_FIRST = FeatureLevel.FIRST_GENERATION
_EPT = FeatureLevel.EPT
_VPID = FeatureLevel.EPT_VPID
_APIC = FeatureLevel.VIRTUAL_APIC


class Field(IntEnum):
    """A VMCS field; its value is the encoding that VMREAD and VMWRITE take.

    Attributes: `doc`, `since` (the first feature level that has the field), `width` and
    `type` as the encoding says, and `mask`, the value bits that the field can hold.
    """

    doc: str
    since: FeatureLevel
    width: FieldWidth
    type: FieldType
    mask: int

    def __new__(cls, encoding: int, doc: str = "", since: FeatureLevel = _FIRST) -> Field:
        """Make a member from its encoding, its meaning and the first feature level that has it."""
        member = int.__new__(cls, encoding)
        member._value_ = encoding
        member.doc = doc
        member.since = since
        member.width = width_of(encoding)
        member.type = type_of(encoding)
        member.mask = (1 << member.width.bits) - 1
        return member

    # 16-bit control fields
    VPID = 0x0000, "virtual-processor identifier", _VPID
    POSTED_INTERRUPT_VECTOR = 0x0002, "vector that notifies of posted interrupts", _APIC

    # 16-bit guest-state fields
    GUEST_ES_SELECTOR = 0x0800, "guest ES selector"
    GUEST_CS_SELECTOR = 0x0802, "guest CS selector"
    GUEST_SS_SELECTOR = 0x0804, "guest SS selector"
    GUEST_DS_SELECTOR = 0x0806, "guest DS selector"
    GUEST_FS_SELECTOR = 0x0808, "guest FS selector"
    GUEST_GS_SELECTOR = 0x080A, "guest GS selector"
    GUEST_LDTR_SELECTOR = 0x080C, "guest LDTR selector"
    GUEST_TR_SELECTOR = 0x080E, "guest TR selector"
    GUEST_INTERRUPT_STATUS = 0x0810, "RVI in bits 7:0, SVI in bits 15:8", _APIC

    # 16-bit host-state fields
    HOST_ES_SELECTOR = 0x0C00, "host ES selector"
    HOST_CS_SELECTOR = 0x0C02, "host CS selector"
    HOST_SS_SELECTOR = 0x0C04, "host SS selector"
    HOST_DS_SELECTOR = 0x0C06, "host DS selector"
    HOST_FS_SELECTOR = 0x0C08, "host FS selector"
    HOST_GS_SELECTOR = 0x0C0A, "host GS selector"
    HOST_TR_SELECTOR = 0x0C0C, "host TR selector"

    # 64-bit control fields
    IO_BITMAP_A = 0x2000, "physical address of the I/O bitmap for ports 0000-7FFF"
    IO_BITMAP_B = 0x2002, "physical address of the I/O bitmap for ports 8000-FFFF"
    MSR_BITMAPS = 0x2004, "physical address of the MSR bitmaps"
    EXIT_MSR_STORE_ADDRESS = 0x2006, "physical address of the VM-exit MSR-store area"
    EXIT_MSR_LOAD_ADDRESS = 0x2008, "physical address of the VM-exit MSR-load area"
    ENTRY_MSR_LOAD_ADDRESS = 0x200A, "physical address of the VM-entry MSR-load area"
    EXECUTIVE_VMCS_POINTER = 0x200C, "VMCS of the executive monitor (dual-monitor SMM only)"
    TSC_OFFSET = 0x2010, "added to the time-stamp counter that the guest reads"
    VIRTUAL_APIC_ADDRESS = 0x2012, "physical address of the virtual-APIC page"
    APIC_ACCESS_ADDRESS = 0x2014, "physical address of the APIC-access page", _EPT
    POSTED_INTERRUPT_DESCRIPTOR = (
        0x2016,
        "physical address of the posted-interrupt descriptor",
        _APIC,
    )
    EPT_POINTER = 0x201A, "EPT memory type, walk length and PML4 address", _EPT
    EOI_EXIT_BITMAP0 = 0x201C, "vectors 00-3F whose end of interrupt exits", _APIC
    EOI_EXIT_BITMAP1 = 0x201E, "vectors 40-7F whose end of interrupt exits", _APIC
    EOI_EXIT_BITMAP2 = 0x2020, "vectors 80-BF whose end of interrupt exits", _APIC
    EOI_EXIT_BITMAP3 = 0x2022, "vectors C0-FF whose end of interrupt exits", _APIC

    # 64-bit read-only data field
    GUEST_PHYSICAL_ADDRESS = 0x2400, "guest-physical address of an EPT exit", _EPT

    # 64-bit guest-state fields
    VMCS_LINK_POINTER = 0x2800, "all ones, or the physical address of a linked VMCS"
    GUEST_IA32_DEBUGCTL = 0x2802, "guest IA32_DEBUGCTL"
    GUEST_IA32_PAT = 0x2804, "guest IA32_PAT", _EPT
    GUEST_IA32_EFER = 0x2806, "guest IA32_EFER", _EPT
    GUEST_PDPTE0 = 0x280A, "guest PAE page-directory-pointer-table entry 0", _EPT
    GUEST_PDPTE1 = 0x280C, "guest PAE page-directory-pointer-table entry 1", _EPT
    GUEST_PDPTE2 = 0x280E, "guest PAE page-directory-pointer-table entry 2", _EPT
    GUEST_PDPTE3 = 0x2810, "guest PAE page-directory-pointer-table entry 3", _EPT

    # 64-bit host-state fields
    HOST_IA32_PAT = 0x2C00, "host IA32_PAT", _EPT
    HOST_IA32_EFER = 0x2C02, "host IA32_EFER", _EPT

    # 32-bit control fields
    PIN_BASED_CONTROLS = 0x4000, "pin-based VM-execution controls"
    PRIMARY_CONTROLS = 0x4002, "primary processor-based VM-execution controls"
    EXCEPTION_BITMAP = 0x4004, "one bit for each exception vector that exits"
    PAGE_FAULT_ERROR_CODE_MASK = 0x4006, "page-fault error-code bits that are compared"
    PAGE_FAULT_ERROR_CODE_MATCH = 0x4008, "value they are compared with"
    CR3_TARGET_COUNT = 0x400A, "number of CR3-target values in use"
    EXIT_CONTROLS = 0x400C, "VM-exit controls"
    EXIT_MSR_STORE_COUNT = 0x400E, "entries in the VM-exit MSR-store area"
    EXIT_MSR_LOAD_COUNT = 0x4010, "entries in the VM-exit MSR-load area"
    ENTRY_CONTROLS = 0x4012, "VM-entry controls"
    ENTRY_MSR_LOAD_COUNT = 0x4014, "entries in the VM-entry MSR-load area"
    ENTRY_INTERRUPTION_INFO = 0x4016, "event to inject at VM entry"
    ENTRY_EXCEPTION_ERROR_CODE = 0x4018, "error code of the event to inject"
    ENTRY_INSTRUCTION_LENGTH = 0x401A, "instruction length of the software event to inject"
    TPR_THRESHOLD = 0x401C, "virtual task priority below which an exit occurs"
    SECONDARY_CONTROLS = 0x401E, "secondary processor-based VM-execution controls", _EPT

    # 32-bit read-only data fields
    VM_INSTRUCTION_ERROR = 0x4400, "number of the last VMfailValid error"
    EXIT_REASON = 0x4402, "exit reason; bit 31: VM-entry failure"
    EXIT_INTERRUPTION_INFO = 0x4404, "event that caused the exit"
    EXIT_INTERRUPTION_ERROR_CODE = 0x4406, "error code of that event"
    IDT_VECTORING_INFO = 0x4408, "event whose delivery the exit interrupted"
    IDT_VECTORING_ERROR_CODE = 0x440A, "error code of that event"
    EXIT_INSTRUCTION_LENGTH = 0x440C, "length in bytes of the instruction that exited"
    EXIT_INSTRUCTION_INFO = 0x440E, "operands of the instruction that exited"

    # 32-bit guest-state fields
    GUEST_ES_LIMIT = 0x4800, "guest ES limit"
    GUEST_CS_LIMIT = 0x4802, "guest CS limit"
    GUEST_SS_LIMIT = 0x4804, "guest SS limit"
    GUEST_DS_LIMIT = 0x4806, "guest DS limit"
    GUEST_FS_LIMIT = 0x4808, "guest FS limit"
    GUEST_GS_LIMIT = 0x480A, "guest GS limit"
    GUEST_LDTR_LIMIT = 0x480C, "guest LDTR limit"
    GUEST_TR_LIMIT = 0x480E, "guest TR limit"
    GUEST_GDTR_LIMIT = 0x4810, "guest GDTR limit"
    GUEST_IDTR_LIMIT = 0x4812, "guest IDTR limit"
    GUEST_ES_ACCESS_RIGHTS = 0x4814, "guest ES access rights"
    GUEST_CS_ACCESS_RIGHTS = 0x4816, "guest CS access rights"
    GUEST_SS_ACCESS_RIGHTS = 0x4818, "guest SS access rights"
    GUEST_DS_ACCESS_RIGHTS = 0x481A, "guest DS access rights"
    GUEST_FS_ACCESS_RIGHTS = 0x481C, "guest FS access rights"
    GUEST_GS_ACCESS_RIGHTS = 0x481E, "guest GS access rights"
    GUEST_LDTR_ACCESS_RIGHTS = 0x4820, "guest LDTR access rights"
    GUEST_TR_ACCESS_RIGHTS = 0x4822, "guest TR access rights"
    GUEST_INTERRUPTIBILITY_STATE = 0x4824, "events blocked for the guest"
    GUEST_ACTIVITY_STATE = 0x4826, "active, HLT, shutdown or wait-for-SIPI"
    GUEST_SMBASE = 0x4828, "guest SMBASE"
    GUEST_IA32_SYSENTER_CS = 0x482A, "guest IA32_SYSENTER_CS"
    PREEMPTION_TIMER_VALUE = 0x482E, "VMX-preemption timer, counts down", _VPID

    # 32-bit host-state field
    HOST_IA32_SYSENTER_CS = 0x4C00, "host IA32_SYSENTER_CS"

    # natural-width control fields
    CR0_GUEST_HOST_MASK = 0x6000, "CR0 bits owned by the VMM"
    CR4_GUEST_HOST_MASK = 0x6002, "CR4 bits owned by the VMM"
    CR0_READ_SHADOW = 0x6004, "value the guest reads for VMM-owned CR0 bits"
    CR4_READ_SHADOW = 0x6006, "value the guest reads for VMM-owned CR4 bits"
    CR3_TARGET_VALUE0 = 0x6008, "CR3 value 0 that may be loaded without an exit"
    CR3_TARGET_VALUE1 = 0x600A, "CR3 value 1 that may be loaded without an exit"
    CR3_TARGET_VALUE2 = 0x600C, "CR3 value 2 that may be loaded without an exit"
    CR3_TARGET_VALUE3 = 0x600E, "CR3 value 3 that may be loaded without an exit"

    # natural-width read-only data fields
    EXIT_QUALIFICATION = 0x6400, "what the exit was about, by exit reason"
    IO_RCX = 0x6402, "RCX before an I/O instruction that an SMI interrupted"
    IO_RSI = 0x6404, "RSI before an I/O instruction that an SMI interrupted"
    IO_RDI = 0x6406, "RDI before an I/O instruction that an SMI interrupted"
    IO_RIP = 0x6408, "RIP of an I/O instruction that an SMI interrupted"
    GUEST_LINEAR_ADDRESS = 0x640A, "guest-linear address of the access that exited"

    # natural-width guest-state fields
    GUEST_CR0 = 0x6800, "guest CR0"
    GUEST_CR3 = 0x6802, "guest CR3"
    GUEST_CR4 = 0x6804, "guest CR4"
    GUEST_ES_BASE = 0x6806, "guest ES base"
    GUEST_CS_BASE = 0x6808, "guest CS base"
    GUEST_SS_BASE = 0x680A, "guest SS base"
    GUEST_DS_BASE = 0x680C, "guest DS base"
    GUEST_FS_BASE = 0x680E, "guest FS base"
    GUEST_GS_BASE = 0x6810, "guest GS base"
    GUEST_LDTR_BASE = 0x6812, "guest LDTR base"
    GUEST_TR_BASE = 0x6814, "guest TR base"
    GUEST_GDTR_BASE = 0x6816, "guest GDTR base"
    GUEST_IDTR_BASE = 0x6818, "guest IDTR base"
    GUEST_DR7 = 0x681A, "guest DR7"
    GUEST_RSP = 0x681C, "guest RSP"
    GUEST_RIP = 0x681E, "guest RIP"
    GUEST_RFLAGS = 0x6820, "guest RFLAGS"
    GUEST_PENDING_DEBUG_EXCEPTIONS = 0x6822, "guest debug exceptions not yet delivered"
    GUEST_IA32_SYSENTER_ESP = 0x6824, "guest IA32_SYSENTER_ESP"
    GUEST_IA32_SYSENTER_EIP = 0x6826, "guest IA32_SYSENTER_EIP"

    # natural-width host-state fields
    HOST_CR0 = 0x6C00, "host CR0"
    HOST_CR3 = 0x6C02, "host CR3"
    HOST_CR4 = 0x6C04, "host CR4"
    HOST_FS_BASE = 0x6C06, "host FS base"
    HOST_GS_BASE = 0x6C08, "host GS base"
    HOST_TR_BASE = 0x6C0A, "host TR base"
    HOST_GDTR_BASE = 0x6C0C, "host GDTR base"
    HOST_IDTR_BASE = 0x6C0E, "host IDTR base"
    HOST_IA32_SYSENTER_ESP = 0x6C10, "host IA32_SYSENTER_ESP"
    HOST_IA32_SYSENTER_EIP = 0x6C12, "host IA32_SYSENTER_EIP"
    HOST_RSP = 0x6C14, "host RSP"
    HOST_RIP = 0x6C16, "host RIP"


BY_ENCODING: dict[int, Field] = {int(field): field for field in Field}
