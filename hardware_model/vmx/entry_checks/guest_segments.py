"""Checks on guest ES, CS, SS, DS, FS and GS (SDM vol. 3C 26.3.1.2)."""

from __future__ import annotations

from hardware_model.canonical import is_canonical
from hardware_model.vmx.entry_checks.predicates import (
    CR0_PE,
    PRIMARY,
    VIRTUAL_8086,
    ia32e_guest,
    unrestricted,
    virtual_8086,
)
from hardware_model.vmx.entry_checks.rule import RuleTable, Stage
from hardware_model.vmx.fields import Field
from hardware_model.vmx.segments import (
    CODE_OR_DATA,
    CS,
    DEFAULT_BIG,
    DPL_SHIFT,
    DS,
    ES,
    FS,
    GRANULARITY,
    GS,
    LONG,
    PRESENT,
    RESERVED,
    SELECTOR_RPL,
    SS,
    TYPE,
    UNUSABLE,
    SegmentFields,
)
from hardware_model.vmx.vmcs import Vmcs

_SECTION = "26.3.1.2"
_ALL = (ES, CS, SS, DS, FS, GS)
_DATA = (ES, DS, FS, GS)
_CONTROLS = (PRIMARY, Field.SECONDARY_CONTROLS)

_ACCESSED, _READABLE, _CODE = 1, 2, 8
_WRITABLE_DATA = 3
_NONCONFORMING, _CONFORMING = (9, 11), (13, 15)
_REAL_LIMIT, _REAL_RIGHTS = 0xFFFF, 0xF3

GUEST_SEGMENTS = RuleTable(Stage.GUEST)
_rule = GUEST_SEGMENTS.rule
_segment_rule = GUEST_SEGMENTS.segment_rule


def _type(v: Vmcs, s: SegmentFields) -> int:
    return v.load(s.access_rights) & TYPE


def _dpl(v: Vmcs, s: SegmentFields) -> int:
    return v.load(s.access_rights) >> DPL_SHIFT & 3


def _rpl(v: Vmcs, s: SegmentFields) -> int:
    return v.load(s.selector) & SELECTOR_RPL


def _is_checked(v: Vmcs, s: SegmentFields) -> bool:
    """Whether the access rights are checked: not in virtual-8086 mode, nor of unusable segments."""
    return not virtual_8086(v) and (s is CS or not v.load(s.access_rights) & UNUSABLE)


def granularity_agrees(limit: int, access_rights: int) -> bool:
    """Whether G is 0 if a bit of limit 11:0 is 0, and 1 if a bit of limit 31:20 is 1."""
    if access_rights & GRANULARITY:
        return limit & 0xFFF == 0xFFF
    return not limit >> 20


@_rule(_SECTION, SS.selector, CS.selector, VIRTUAL_8086, *_CONTROLS)
def ss_rpl_equals_cs_rpl(v: Vmcs) -> bool:
    """the RPL must equal that of CS unless the guest is unrestricted"""
    return virtual_8086(v) or unrestricted(v) or _rpl(v, SS) == _rpl(v, CS)


@_segment_rule(_SECTION, _ALL, "base", VIRTUAL_8086)
def base_suits_virtual_8086_mode(v: Vmcs, s: SegmentFields) -> bool:
    """the base must be the selector times 16 in virtual-8086 mode"""
    return not virtual_8086(v) or v.load(s.base) == v.load(s.selector) << 4


@_segment_rule(_SECTION, (FS, GS), "base")
def base_is_canonical(v: Vmcs, s: SegmentFields) -> bool:
    """the base must be canonical"""
    return is_canonical(v.load(s.base))


@_segment_rule(_SECTION, (CS, SS, DS, ES), "base")
def base_is_32_bits(v: Vmcs, s: SegmentFields) -> bool:
    """bits 63:32 of the base must be 0"""
    if s is not CS and v.load(s.access_rights) & UNUSABLE:
        return True
    return not v.load(s.base) >> 32


@_segment_rule(_SECTION, _ALL, "limit", VIRTUAL_8086)
def limit_suits_virtual_8086_mode(v: Vmcs, s: SegmentFields) -> bool:
    """the limit must be FFFFH in virtual-8086 mode"""
    return not virtual_8086(v) or v.load(s.limit) == _REAL_LIMIT


@_segment_rule(_SECTION, _ALL, "access_rights", VIRTUAL_8086)
def access_rights_suit_virtual_8086_mode(v: Vmcs, s: SegmentFields) -> bool:
    """the access rights must be F3H in virtual-8086 mode"""
    return not virtual_8086(v) or v.load(s.access_rights) == _REAL_RIGHTS


@_segment_rule(_SECTION, (CS,), "access_rights", VIRTUAL_8086, *_CONTROLS)
def type_is_accessed_code(v: Vmcs, s: SegmentFields) -> bool:
    """the type must be 9, 11, 13 or 15 (or 3 if the guest is unrestricted)"""
    if not _is_checked(v, s) or _type(v, s) in _NONCONFORMING + _CONFORMING:
        return True
    return _type(v, s) == _WRITABLE_DATA and unrestricted(v)


@_segment_rule(_SECTION, (SS,), "access_rights", VIRTUAL_8086)
def type_is_writable_data(v: Vmcs, s: SegmentFields) -> bool:
    """the type must be 3 or 7"""
    return not _is_checked(v, s) or _type(v, s) in (3, 7)


@_segment_rule(_SECTION, _DATA, "access_rights", VIRTUAL_8086)
def type_is_accessed_and_readable(v: Vmcs, s: SegmentFields) -> bool:
    """the type must be accessed, and readable if it is a code segment"""
    if not _is_checked(v, s):
        return True
    kind = _type(v, s)
    return bool(kind & _ACCESSED) and (not kind & _CODE or bool(kind & _READABLE))


@_segment_rule(_SECTION, _ALL, "access_rights", VIRTUAL_8086)
def is_code_or_data(v: Vmcs, s: SegmentFields) -> bool:
    """S (bit 4) must be 1"""
    return not _is_checked(v, s) or bool(v.load(s.access_rights) & CODE_OR_DATA)


@_segment_rule(_SECTION, (CS,), "access_rights", SS.access_rights, VIRTUAL_8086)
def dpl_suits_its_type(v: Vmcs, s: SegmentFields) -> bool:
    """DPL must be 0 for type 3, that of SS for type 9 or 11, at most that of SS for 13 or 15"""
    if not _is_checked(v, s):
        return True
    kind, dpl, stack_dpl = _type(v, s), _dpl(v, s), _dpl(v, SS)
    if kind == _WRITABLE_DATA:
        return dpl == 0
    if kind in _NONCONFORMING:
        return dpl == stack_dpl
    return kind not in _CONFORMING or dpl <= stack_dpl


@_segment_rule(_SECTION, (SS,), "access_rights", VIRTUAL_8086, *_CONTROLS)
def dpl_equals_rpl(v: Vmcs, s: SegmentFields) -> bool:
    """DPL must equal the selector's RPL unless the guest is unrestricted"""
    return virtual_8086(v) or unrestricted(v) or _dpl(v, s) == _rpl(v, s)


@_segment_rule(_SECTION, (SS,), "access_rights", CS.access_rights, Field.GUEST_CR0, VIRTUAL_8086)
def dpl_is_zero_in_real_mode(v: Vmcs, s: SegmentFields) -> bool:
    """DPL must be 0 if the type of CS is 3 or CR0.PE is 0"""
    if virtual_8086(v):
        return True
    real = _type(v, CS) == _WRITABLE_DATA or not v.load(Field.GUEST_CR0) & CR0_PE
    return not real or _dpl(v, s) == 0


@_segment_rule(_SECTION, _DATA, "access_rights", VIRTUAL_8086, *_CONTROLS)
def dpl_is_not_below_rpl(v: Vmcs, s: SegmentFields) -> bool:
    """DPL must not be below the selector's RPL for data and non-conforming code"""
    if not _is_checked(v, s) or unrestricted(v) or _type(v, s) > 11:
        return True
    return _dpl(v, s) >= _rpl(v, s)


@_segment_rule(_SECTION, _ALL, "access_rights", VIRTUAL_8086)
def is_present(v: Vmcs, s: SegmentFields) -> bool:
    """P (bit 7) must be 1"""
    return not _is_checked(v, s) or bool(v.load(s.access_rights) & PRESENT)


@_segment_rule(_SECTION, _ALL, "access_rights", VIRTUAL_8086)
def reserved_bits_are_zero(v: Vmcs, s: SegmentFields) -> bool:
    """bits 11:8 and 31:17 must be 0"""
    return not _is_checked(v, s) or not v.load(s.access_rights) & RESERVED


@_segment_rule(_SECTION, (CS,), "access_rights", VIRTUAL_8086, Field.ENTRY_CONTROLS)
def long_code_has_no_default_size(v: Vmcs, s: SegmentFields) -> bool:
    """D/B must be 0 if L is 1 in an IA-32e mode guest"""
    if not _is_checked(v, s) or not ia32e_guest(v):
        return True
    return v.load(s.access_rights) & (LONG | DEFAULT_BIG) != LONG | DEFAULT_BIG


@_segment_rule(_SECTION, _ALL, "access_rights", VIRTUAL_8086)
def granularity_agrees_with_limit(v: Vmcs, s: SegmentFields) -> bool:
    """G must be 0 if a bit of limit 11:0 is 0, and 1 if a bit of limit 31:20 is 1"""
    return not _is_checked(v, s) or granularity_agrees(v.load(s.limit), v.load(s.access_rights))
