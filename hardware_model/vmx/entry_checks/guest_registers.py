"""Checks on guest control registers, debug registers, MSRs, RIP and RFLAGS (26.3.1.1, 26.3.1.4)."""

from __future__ import annotations

from hardware_model.canonical import is_canonical
from hardware_model.vmx.capabilities import (
    CR0_FIXED0,
    CR0_FIXED1,
    CR0_UNRESTRICTED,
    CR4_FIXED0,
    CR4_FIXED1,
)
from hardware_model.vmx.controls import Entry
from hardware_model.vmx.entry_checks.predicates import (
    CR0_PE,
    CR0_PG,
    CR4_PAE,
    CR4_PCIDE,
    EFER_DEFINED,
    EFER_LMA,
    EFER_LME,
    PRIMARY,
    RFLAGS_IF,
    RFLAGS_VM,
    ia32e_guest,
    injects,
    is_pat,
    unrestricted,
)
from hardware_model.vmx.entry_checks.rule import RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.interruption import InterruptionType
from hardware_model.vmx.segments import LONG
from hardware_model.vmx.vmcs import Vmcs

_ENTRY = Field.ENTRY_CONTROLS
_DEBUGCTL_DEFINED = 0xDFC3
"""The IA32_DEBUGCTL bits up to Skylake: LBR, BTF, TR, BTS, BTINT, BTS_OFF_*, FREEZE_*."""
_RFLAGS_ZERO = ~0x3F_7FD7
"""RFLAGS bits 63:22, 15, 5 and 3."""
_RFLAGS_ONE = 1 << 1

GUEST_REGISTERS = RuleTable(Stage.GUEST)
_rule = GUEST_REGISTERS.rule


def _entry(v: Vmcs, control: Entry) -> bool:
    return bool(v.load(_ENTRY) & int(control))


@_rule("26.3.1.1", Field.GUEST_CR0, PRIMARY, Field.SECONDARY_CONTROLS)
def guest_cr0_is_supported(v: Vmcs) -> bool:
    """PE, NE and PG must be 1 (PE and PG not if unrestricted) and bits 63:32 must be 0"""
    value = v.load(Field.GUEST_CR0)
    required = CR0_FIXED0 & ~CR0_UNRESTRICTED if unrestricted(v) else CR0_FIXED0
    return value & required == required and not value & ~CR0_FIXED1


@_rule("26.3.1.1", Field.GUEST_CR0)
def guest_paging_needs_protection(v: Vmcs) -> bool:
    """PE must be 1 if PG is 1"""
    value = v.load(Field.GUEST_CR0)
    return not value & CR0_PG or bool(value & CR0_PE)


@_rule("26.3.1.1", Field.GUEST_CR4)
def guest_cr4_is_supported(v: Vmcs) -> bool:
    """VMXE must be 1 and unsupported bits must be 0 in VMX operation"""
    value = v.load(Field.GUEST_CR4)
    return value & CR4_FIXED0 == CR4_FIXED0 and not value & ~CR4_FIXED1


@_rule("26.3.1.1", Field.GUEST_IA32_DEBUGCTL, _ENTRY)
def guest_debugctl_reserved_bits_are_zero(v: Vmcs) -> bool:
    """reserved bits must be 0 if the debug controls are loaded"""
    if not _entry(v, Entry.LOAD_DEBUG_CONTROLS):
        return True
    return not v.load(Field.GUEST_IA32_DEBUGCTL) & ~_DEBUGCTL_DEFINED


@_rule("26.3.1.1", Field.GUEST_CR0, _ENTRY)
def guest_ia32e_mode_needs_paging(v: Vmcs) -> bool:
    """PG must be 1 in an IA-32e mode guest"""
    return not ia32e_guest(v) or bool(v.load(Field.GUEST_CR0) & CR0_PG)


@_rule("26.3.1.1", Field.GUEST_CR4, _ENTRY)
def guest_ia32e_mode_needs_pae(v: Vmcs) -> bool:
    """PAE must be 1 in an IA-32e mode guest"""
    return not ia32e_guest(v) or bool(v.load(Field.GUEST_CR4) & CR4_PAE)


@_rule("26.3.1.1", Field.GUEST_CR4, _ENTRY)
def guest_pcids_need_ia32e_mode(v: Vmcs) -> bool:
    """PCIDE must be 0 outside an IA-32e mode guest"""
    return ia32e_guest(v) or not v.load(Field.GUEST_CR4) & CR4_PCIDE


@_rule("26.3.1.1", Field.GUEST_CR3)
def guest_cr3_is_in_memory(v: Vmcs) -> bool:
    """bits beyond the physical-address width must be 0"""
    return not v.load(Field.GUEST_CR3) >> v.capabilities.physical_address_bits


@_rule("26.3.1.1", Field.GUEST_DR7, _ENTRY)
def guest_dr7_is_32_bits(v: Vmcs) -> bool:
    """bits 63:32 must be 0 if the debug controls are loaded"""
    return not _entry(v, Entry.LOAD_DEBUG_CONTROLS) or not v.load(Field.GUEST_DR7) >> 32


@_rule("26.3.1.1", Field.GUEST_IA32_SYSENTER_ESP)
def guest_sysenter_esp_is_canonical(v: Vmcs) -> bool:
    """the address must be canonical"""
    return is_canonical(v.load(Field.GUEST_IA32_SYSENTER_ESP))


@_rule("26.3.1.1", Field.GUEST_IA32_SYSENTER_EIP)
def guest_sysenter_eip_is_canonical(v: Vmcs) -> bool:
    """the address must be canonical"""
    return is_canonical(v.load(Field.GUEST_IA32_SYSENTER_EIP))


@_rule("26.3.1.1", Field.GUEST_IA32_PAT, _ENTRY)
def guest_pat_is_valid(v: Vmcs) -> bool:
    """each byte must be 0, 1, 4, 5, 6 or 7 if the PAT is loaded"""
    return not _entry(v, Entry.LOAD_PAT) or is_pat(v.load(Field.GUEST_IA32_PAT))


@_rule("26.3.1.1", Field.GUEST_IA32_EFER, _ENTRY)
def guest_efer_reserved_bits_are_zero(v: Vmcs) -> bool:
    """reserved bits must be 0 if EFER is loaded"""
    return not _entry(v, Entry.LOAD_EFER) or not v.load(Field.GUEST_IA32_EFER) & ~EFER_DEFINED


@_rule("26.3.1.1", Field.GUEST_IA32_EFER, _ENTRY)
def guest_efer_lma_agrees_with_mode(v: Vmcs) -> bool:
    """LMA must equal the IA-32e-mode-guest control if EFER is loaded"""
    if not _entry(v, Entry.LOAD_EFER):
        return True
    return bool(v.load(Field.GUEST_IA32_EFER) & EFER_LMA) == ia32e_guest(v)


@_rule("26.3.1.1", Field.GUEST_IA32_EFER, Field.GUEST_CR0, _ENTRY)
def guest_efer_lme_agrees_with_lma(v: Vmcs) -> bool:
    """LME must equal LMA if EFER is loaded and paging is on"""
    if not _entry(v, Entry.LOAD_EFER) or not v.load(Field.GUEST_CR0) & CR0_PG:
        return True
    return v.load(Field.GUEST_IA32_EFER) & (EFER_LMA | EFER_LME) in (0, EFER_LMA | EFER_LME)


@_rule("26.3.1.4", Field.GUEST_RIP, Field.GUEST_CS_ACCESS_RIGHTS, _ENTRY)
def guest_rip_is_within_its_mode(v: Vmcs) -> bool:
    """bits 63:32 must be 0 outside 64-bit mode, and the address must be canonical in it"""
    rip = v.load(Field.GUEST_RIP)
    if ia32e_guest(v) and v.load(Field.GUEST_CS_ACCESS_RIGHTS) & LONG:
        return is_canonical(rip)
    return not rip >> 32


@_rule("26.3.1.4", Field.GUEST_RFLAGS)
def guest_rflags_reserved_bits_are_fixed(v: Vmcs) -> bool:
    """bits 63:22, 15, 5 and 3 must be 0 and bit 1 must be 1"""
    value = v.load(Field.GUEST_RFLAGS)
    return not value & _RFLAGS_ZERO and bool(value & _RFLAGS_ONE)


@_rule("26.3.1.4", Field.GUEST_RFLAGS, Field.GUEST_CR0, _ENTRY)
def guest_virtual_8086_mode_is_possible(v: Vmcs) -> bool:
    """VM must be 0 in an IA-32e mode guest and in real mode"""
    if not v.load(Field.GUEST_RFLAGS) & RFLAGS_VM:
        return True
    return not ia32e_guest(v) and bool(v.load(Field.GUEST_CR0) & CR0_PE)


@_rule("26.3.1.4", Field.GUEST_RFLAGS, Field.ENTRY_INTERRUPTION_INFO)
def guest_accepts_the_injected_interrupt(v: Vmcs) -> bool:
    """IF must be 1 if an external interrupt is injected"""
    if not injects(v, InterruptionType.EXTERNAL_INTERRUPT):
        return True
    return bool(v.load(Field.GUEST_RFLAGS) & RFLAGS_IF)
