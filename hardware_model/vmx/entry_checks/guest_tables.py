"""Checks on guest TR, LDTR, GDTR and IDTR (SDM vol. 3C 26.3.1.2 and 26.3.1.3)."""

from __future__ import annotations

from hardware_model.canonical import is_canonical
from hardware_model.vmx.entry_checks.guest_segments import granularity_agrees
from hardware_model.vmx.entry_checks.predicates import ia32e_guest
from hardware_model.vmx.entry_checks.rule import RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.segments import (
    CODE_OR_DATA,
    LDTR,
    PRESENT,
    RESERVED,
    SELECTOR_TI,
    TR,
    TYPE,
    UNUSABLE,
    SegmentFields,
)
from hardware_model.vmx.vmcs import Vmcs

_SECTION = "26.3.1.2"
_BOTH = (TR, LDTR)
_LDT_TYPE = 2
_BUSY_16_BIT_TSS, _BUSY_TSS = 3, 11

GUEST_TABLES = RuleTable(Stage.GUEST)
_rule = GUEST_TABLES.rule
_segment_rule = GUEST_TABLES.segment_rule


def _is_checked(v: Vmcs, s: SegmentFields) -> bool:
    """Whether the register is checked: TR always, LDTR if it is usable."""
    return s is TR or not v.load(s.access_rights) & UNUSABLE


@_segment_rule(_SECTION, _BOTH, "selector")
def selector_names_the_gdt(v: Vmcs, s: SegmentFields) -> bool:
    """TI (bit 2) must be 0"""
    return not _is_checked(v, s) or not v.load(s.selector) & SELECTOR_TI


@_segment_rule(_SECTION, _BOTH, "base")
def base_is_canonical(v: Vmcs, s: SegmentFields) -> bool:
    """the base must be canonical"""
    return not _is_checked(v, s) or is_canonical(v.load(s.base))


@_segment_rule(_SECTION, (TR,), "access_rights", Field.ENTRY_CONTROLS)
def type_is_busy_tss(v: Vmcs, s: SegmentFields) -> bool:
    """the type must be 11, a busy TSS (or 3, a 16-bit one, outside an IA-32e mode guest)"""
    kind = v.load(s.access_rights) & TYPE
    return kind == _BUSY_TSS or (kind == _BUSY_16_BIT_TSS and not ia32e_guest(v))


@_segment_rule(_SECTION, (LDTR,), "access_rights")
def type_is_ldt(v: Vmcs, s: SegmentFields) -> bool:
    """the type must be 2, an LDT"""
    return not _is_checked(v, s) or v.load(s.access_rights) & TYPE == _LDT_TYPE


@_segment_rule(_SECTION, _BOTH, "access_rights")
def is_a_system_segment(v: Vmcs, s: SegmentFields) -> bool:
    """S (bit 4) must be 0"""
    return not _is_checked(v, s) or not v.load(s.access_rights) & CODE_OR_DATA


@_segment_rule(_SECTION, _BOTH, "access_rights")
def is_present(v: Vmcs, s: SegmentFields) -> bool:
    """P (bit 7) must be 1"""
    return not _is_checked(v, s) or bool(v.load(s.access_rights) & PRESENT)


@_segment_rule(_SECTION, _BOTH, "access_rights")
def reserved_bits_are_zero(v: Vmcs, s: SegmentFields) -> bool:
    """bits 11:8 and 31:17 must be 0"""
    return not _is_checked(v, s) or not v.load(s.access_rights) & RESERVED


@_segment_rule(_SECTION, _BOTH, "access_rights")
def granularity_agrees_with_limit(v: Vmcs, s: SegmentFields) -> bool:
    """G must be 0 if a bit of limit 11:0 is 0, and 1 if a bit of limit 31:20 is 1"""
    return not _is_checked(v, s) or granularity_agrees(v.load(s.limit), v.load(s.access_rights))


@_segment_rule(_SECTION, (TR,), "access_rights")
def is_usable(v: Vmcs, s: SegmentFields) -> bool:
    """bit 16 must be 0: TR is always usable"""
    return not v.load(s.access_rights) & UNUSABLE


@_rule("26.3.1.3", Field.GUEST_GDTR_BASE)
def gdtr_base_is_canonical(v: Vmcs) -> bool:
    """the base must be canonical"""
    return is_canonical(v.load(Field.GUEST_GDTR_BASE))


@_rule("26.3.1.3", Field.GUEST_IDTR_BASE)
def idtr_base_is_canonical(v: Vmcs) -> bool:
    """the base must be canonical"""
    return is_canonical(v.load(Field.GUEST_IDTR_BASE))


@_rule("26.3.1.3", Field.GUEST_GDTR_LIMIT)
def gdtr_limit_is_16_bits(v: Vmcs) -> bool:
    """bits 31:16 must be 0"""
    return not v.load(Field.GUEST_GDTR_LIMIT) >> 16


@_rule("26.3.1.3", Field.GUEST_IDTR_LIMIT)
def idtr_limit_is_16_bits(v: Vmcs) -> bool:
    """bits 31:16 must be 0"""
    return not v.load(Field.GUEST_IDTR_LIMIT) >> 16
