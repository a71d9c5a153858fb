"""Checks on the host-state area (SDM vol. 3C 26.2.2 to 26.2.4)."""

from __future__ import annotations

from hardware_model.canonical import is_canonical
from hardware_model.vmx.capabilities import CR0_FIXED0, CR0_FIXED1, CR4_FIXED0, CR4_FIXED1
from hardware_model.vmx.controls import Exit
from hardware_model.vmx.entry_checks.predicates import (
    CR4_PAE,
    EFER_DEFINED,
    EFER_LMA,
    EFER_LME,
    is_pat,
)
from hardware_model.vmx.entry_checks.rule import Check, RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

_EXIT = Field.EXIT_CONTROLS
_RPL_AND_TI = 7

_CANONICAL = (
    ("26.2.2", Field.HOST_IA32_SYSENTER_ESP),
    ("26.2.2", Field.HOST_IA32_SYSENTER_EIP),
    ("26.2.3", Field.HOST_FS_BASE),
    ("26.2.3", Field.HOST_GS_BASE),
    ("26.2.3", Field.HOST_GDTR_BASE),
    ("26.2.3", Field.HOST_IDTR_BASE),
    ("26.2.3", Field.HOST_TR_BASE),
)
_SELECTORS = (
    Field.HOST_ES_SELECTOR,
    Field.HOST_CS_SELECTOR,
    Field.HOST_SS_SELECTOR,
    Field.HOST_DS_SELECTOR,
    Field.HOST_FS_SELECTOR,
    Field.HOST_GS_SELECTOR,
    Field.HOST_TR_SELECTOR,
)

HOST_STATE = RuleTable(Stage.HOST)
_rule = HOST_STATE.rule


def _exit(v: Vmcs, control: Exit) -> bool:
    return bool(v.load(_EXIT) & int(control))


@_rule("26.2.2", Field.HOST_CR0)
def host_cr0_is_supported(v: Vmcs) -> bool:
    """PE, NE and PG must be 1 and bits 63:32 must be 0 in VMX operation"""
    value = v.load(Field.HOST_CR0)
    return value & CR0_FIXED0 == CR0_FIXED0 and not value & ~CR0_FIXED1


@_rule("26.2.2", Field.HOST_CR4)
def host_cr4_is_supported(v: Vmcs) -> bool:
    """VMXE must be 1 and unsupported bits must be 0 in VMX operation"""
    value = v.load(Field.HOST_CR4)
    return value & CR4_FIXED0 == CR4_FIXED0 and not value & ~CR4_FIXED1


@_rule("26.2.2", Field.HOST_CR3)
def host_cr3_is_in_memory(v: Vmcs) -> bool:
    """bits beyond the physical-address width must be 0"""
    return not v.load(Field.HOST_CR3) >> v.capabilities.physical_address_bits


@_rule("26.2.2", Field.HOST_IA32_PAT, _EXIT)
def host_pat_is_valid(v: Vmcs) -> bool:
    """each byte must be 0, 1, 4, 5, 6 or 7 if the PAT is loaded"""
    return not _exit(v, Exit.LOAD_PAT) or is_pat(v.load(Field.HOST_IA32_PAT))


@_rule("26.2.2", Field.HOST_IA32_EFER, _EXIT)
def host_efer_reserved_bits_are_zero(v: Vmcs) -> bool:
    """reserved bits must be 0 if EFER is loaded"""
    return not _exit(v, Exit.LOAD_EFER) or not v.load(Field.HOST_IA32_EFER) & ~EFER_DEFINED


@_rule("26.2.2", Field.HOST_IA32_EFER, _EXIT)
def host_efer_agrees_with_address_space(v: Vmcs) -> bool:
    """LMA and LME must each equal host address-space size if EFER is loaded"""
    if not _exit(v, Exit.LOAD_EFER):
        return True
    expected = EFER_LMA | EFER_LME if _exit(v, Exit.HOST_ADDRESS_SPACE_SIZE) else 0
    return v.load(Field.HOST_IA32_EFER) & (EFER_LMA | EFER_LME) == expected


def _canonical(section: str, field: Field) -> None:
    """Declare that an address must be canonical."""

    def check(v: Vmcs) -> bool:
        """the address must be canonical"""
        return is_canonical(v.load(field))

    _declare(section, check, f"{field.name.lower()}_is_canonical", field)


def _selector(field: Field) -> None:
    """Declare that a selector must name the GDT with RPL 0."""

    def check(v: Vmcs) -> bool:
        """the selector's RPL and TI must be 0"""
        return not v.load(field) & _RPL_AND_TI

    _declare("26.2.3", check, f"{field.name.lower()}_is_privileged", field)


def _declare(section: str, check: Check, name: str, field: Field) -> None:
    check.__name__ = name
    _rule(section, field)(check)


for _section, _field in _CANONICAL:
    _canonical(_section, _field)
for _field in _SELECTORS:
    _selector(_field)


@_rule("26.2.3", Field.HOST_CS_SELECTOR)
def host_cs_selector_is_not_null(v: Vmcs) -> bool:
    """the selector must not be 0"""
    return v.load(Field.HOST_CS_SELECTOR) != 0


@_rule("26.2.3", Field.HOST_TR_SELECTOR)
def host_tr_selector_is_not_null(v: Vmcs) -> bool:
    """the selector must not be 0"""
    return v.load(Field.HOST_TR_SELECTOR) != 0


@_rule("26.2.4", _EXIT)
def host_is_in_64_bit_mode(v: Vmcs) -> bool:
    """host address-space size must be 1 since the VMM runs in IA-32e mode"""
    return _exit(v, Exit.HOST_ADDRESS_SPACE_SIZE)


@_rule("26.2.4", Field.HOST_CR4, _EXIT)
def host_64_bit_mode_needs_pae(v: Vmcs) -> bool:
    """CR4.PAE must be 1 if host address-space size is 1"""
    return not _exit(v, Exit.HOST_ADDRESS_SPACE_SIZE) or bool(v.load(Field.HOST_CR4) & CR4_PAE)


@_rule("26.2.4", Field.HOST_RIP)
def host_rip_is_canonical(v: Vmcs) -> bool:
    """the address must be canonical"""
    return is_canonical(v.load(Field.HOST_RIP))
