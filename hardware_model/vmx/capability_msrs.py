"""The VMX capability MSRs 480H-490H, derived from `Capabilities` (SDM vol. 3D appendix A)."""

from __future__ import annotations

from enum import IntEnum

from hardware_model.vmx.capabilities import (
    CR0_FIXED0,
    CR0_FIXED1,
    CR4_FIXED0,
    CR4_FIXED1,
    DEFAULT1,
    Capabilities,
)
from hardware_model.vmx.controls import Secondary
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.field_encoding import index_of
from hardware_model.vmx.fields import Field


class CapabilityMsr(IntEnum):
    """The MSR numbers (SDM vol. 4)."""

    VMX_BASIC = 0x480
    VMX_PINBASED_CTLS = 0x481
    VMX_PROCBASED_CTLS = 0x482
    VMX_EXIT_CTLS = 0x483
    VMX_ENTRY_CTLS = 0x484
    VMX_MISC = 0x485
    VMX_CR0_FIXED0 = 0x486
    VMX_CR0_FIXED1 = 0x487
    VMX_CR4_FIXED0 = 0x488
    VMX_CR4_FIXED1 = 0x489
    VMX_VMCS_ENUM = 0x48A
    VMX_PROCBASED_CTLS2 = 0x48B
    VMX_EPT_VPID_CAP = 0x48C
    VMX_TRUE_PINBASED_CTLS = 0x48D
    VMX_TRUE_PROCBASED_CTLS = 0x48E
    VMX_TRUE_EXIT_CTLS = 0x48F
    VMX_TRUE_ENTRY_CTLS = 0x490


_EPT_CAPABILITIES = (
    1 << 0  # execute-only translations
    | 1 << 6  # page-walk length 4
    | 1 << 8  # uncacheable EPT paging structures
    | 1 << 14  # write-back EPT paging structures
    | 1 << 16  # 2-MByte pages
    | 1 << 17  # 1-GByte pages
    | 1 << 20  # INVEPT
    | 1 << 25  # single-context INVEPT
    | 1 << 26  # all-context INVEPT
)
_EPT_ACCESSED_DIRTY = 1 << 21
_VPID_CAPABILITIES = 1 << 32 | 0b1111 << 40  # INVVPID with all its four types


def basic(capabilities: Capabilities) -> int:
    """IA32_VMX_BASIC: a region of 4096 bytes in write-back memory (appendix A.1)."""
    write_back, ins_outs_information = 6 << 50, 1 << 54
    return (
        capabilities.revision
        | 4096 << 32
        | write_back
        | ins_outs_information
        | capabilities.true_controls << 55
    )


def misc(capabilities: Capabilities) -> int:
    """IA32_VMX_MISC: the timer counts every TSC tick; EFER.LMA is stored on exit (A.6)."""
    unrestricted = bool(capabilities.secondary.may & Secondary.UNRESTRICTED_GUEST)
    return unrestricted << 5 | capabilities.activity_states << 6 | capabilities.cr3_targets << 16


def vmcs_enum(capabilities: Capabilities) -> int:
    """IA32_VMX_VMCS_ENUM: the highest index of a supported field, in bits 9:1 (A.9)."""
    return max(index_of(field) for field in Field if field.since <= capabilities.level) << 1


def ept_vpid_cap(capabilities: Capabilities) -> int:
    """IA32_VMX_EPT_VPID_CAP (A.10)."""
    value = _EPT_CAPABILITIES if capabilities.secondary.may & Secondary.ENABLE_EPT else 0
    if value and capabilities.ept_accessed_dirty:
        value |= _EPT_ACCESSED_DIRTY
    if capabilities.secondary.may & Secondary.ENABLE_VPID:
        value |= _VPID_CAPABILITIES
    return value


def capability_msrs(capabilities: Capabilities) -> dict[CapabilityMsr, int]:
    """The value of every capability MSR that the implementation has."""
    true = (
        capabilities.pin_based,
        capabilities.primary,
        capabilities.exit,
        capabilities.entry,
    )
    controls = zip(true, DEFAULT1, strict=True)
    pin_based, primary, exit_, entry = (a.msr | default1 for a, default1 in controls)
    msrs = {
        CapabilityMsr.VMX_BASIC: basic(capabilities),
        CapabilityMsr.VMX_PINBASED_CTLS: pin_based,
        CapabilityMsr.VMX_PROCBASED_CTLS: primary,
        CapabilityMsr.VMX_EXIT_CTLS: exit_,
        CapabilityMsr.VMX_ENTRY_CTLS: entry,
        CapabilityMsr.VMX_MISC: misc(capabilities),
        CapabilityMsr.VMX_CR0_FIXED0: CR0_FIXED0,
        CapabilityMsr.VMX_CR0_FIXED1: CR0_FIXED1,
        CapabilityMsr.VMX_CR4_FIXED0: CR4_FIXED0,
        CapabilityMsr.VMX_CR4_FIXED1: CR4_FIXED1,
        CapabilityMsr.VMX_VMCS_ENUM: vmcs_enum(capabilities),
    }
    if capabilities.level >= FeatureLevel.EPT:
        msrs[CapabilityMsr.VMX_PROCBASED_CTLS2] = capabilities.secondary.msr
        msrs[CapabilityMsr.VMX_EPT_VPID_CAP] = ept_vpid_cap(capabilities)
    if capabilities.true_controls:
        msrs[CapabilityMsr.VMX_TRUE_PINBASED_CTLS] = capabilities.pin_based.msr
        msrs[CapabilityMsr.VMX_TRUE_PROCBASED_CTLS] = capabilities.primary.msr
        msrs[CapabilityMsr.VMX_TRUE_EXIT_CTLS] = capabilities.exit.msr
        msrs[CapabilityMsr.VMX_TRUE_ENTRY_CTLS] = capabilities.entry.msr
    return msrs
