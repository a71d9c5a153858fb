"""Guest segment registers: each violation is exit reason 33 (SDM vol. 3C 26.3.1.2)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.guest_segments import GUEST_SEGMENTS
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST = FeatureLevel.FIRST_GENERATION
DATA = ("es", "ds", "fs", "gs")
ALL = ("es", "cs", "ss", "ds", "fs", "gs")
CS_RIGHTS, SS_RIGHTS = Field.GUEST_CS_ACCESS_RIGHTS, Field.GUEST_SS_ACCESS_RIGHTS
VIRTUAL_8086 = {Field.GUEST_RFLAGS: 0x2_0202}


def part(segment: str, name: str) -> Field:
    return Field[f"GUEST_{segment}_{name}".upper()]


def changed(segment: str, name: str, value) -> dict:
    """A flat, usable segment with one part changed."""
    rights = {"cs": 0xA09B}.get(segment, 0xC093)
    changes = {part(segment, "access_rights"): rights, part(segment, "limit"): 0xFFFF_FFFF}
    field = part(segment, name)
    return changes | {field: value(changes[field]) if callable(value) else value}


VIOLATIONS = {
    FIRST: [
        ("ss_rpl_equals_cs_rpl", {Field.GUEST_SS_SELECTOR: 0x13}),
        ("cs_type_is_accessed_code", {CS_RIGHTS: 0xA09A}),
        ("cs_type_is_accessed_code", {CS_RIGHTS: 0xA093}),
        ("ss_type_is_writable_data", {SS_RIGHTS: 0xC091}),
        ("cs_dpl_suits_its_type", {CS_RIGHTS: 0xA0FB}),
        ("cs_dpl_suits_its_type", {CS_RIGHTS: 0xA0BF}),
        ("ss_dpl_equals_rpl", {Field.GUEST_CS_SELECTOR: 0xB, Field.GUEST_SS_SELECTOR: 0x13}),
        ("ss_dpl_is_zero_in_real_mode", {Field.GUEST_CR0: 0x8001_0032, SS_RIGHTS: 0xC0F3}),
        ("cs_long_code_has_no_default_size", {CS_RIGHTS: 0xE09B}),
        *(
            (f"{s}_type_is_accessed_and_readable", changed(s, "access_rights", rights))
            for s in DATA
            for rights in (0xC092, 0xC099)
        ),
        *((f"{s}_dpl_is_not_below_rpl", changed(s, "selector", 0x13)) for s in DATA),
        *((f"{s}_base_is_canonical", {part(s, "base"): 1 << 47}) for s in ("fs", "gs")),
        *((f"{s}_base_is_32_bits", changed(s, "base", 1 << 32)) for s in ("cs", "ss", "ds", "es")),
        *(
            (f"{s}_{rule}", changed(s, "access_rights", change))
            for s in ALL
            for rule, change in (
                ("is_code_or_data", lambda v: v & ~(1 << 4)),
                ("is_present", lambda v: v & ~(1 << 7)),
                ("reserved_bits_are_zero", lambda v: v | 1 << 8),
                ("granularity_agrees_with_limit", lambda v: v & ~(1 << 15)),
            )
        ),
        *((f"{s}_granularity_agrees_with_limit", changed(s, "limit", 0xFFFF_F000)) for s in ALL),
        *(
            (f"{s}_{rule}", VIRTUAL_8086)
            for s in ALL
            for rule in ("limit_suits_virtual_8086_mode", "access_rights_suit_virtual_8086_mode")
        ),
        *(
            (f"{s}_base_suits_virtual_8086_mode", VIRTUAL_8086 | {part(s, "base"): 0x10})
            for s in ALL
        ),
    ],
}


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert failure.error is None and failure.exit_reason == 0x8000_0021
        assert failure.qualification == 0
        assert failure.rule == rule or "8086" in rule or rule == "ss_dpl_is_zero_in_real_mode"


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested == {rule.name for rule in GUEST_SEGMENTS.rules}


@pytest.mark.parametrize("segment", DATA)
def test_parts_of_an_unusable_segment_are_free(valid_vmcs, segment) -> None:
    vmcs = valid_vmcs(FIRST)
    for name in ("selector", "limit", "access_rights"):
        vmcs.write(part(segment, name), 0xFFFF_FFFF)
    assert check_entry(vmcs) is None


@pytest.mark.parametrize("rights", [0x9B, 0xC09D, 0xC0F3, 0xC0FF])
def test_data_segment_may_have_any_readable_type(valid_vmcs, rights) -> None:
    vmcs = valid_vmcs(FIRST)
    readable = rights | 2
    for field, value in changed("ds", "access_rights", readable | 1 << 15).items():
        vmcs.write(field, value)
    assert check_entry(vmcs) is None


def test_guest_at_ring_3_is_accepted(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(Field.GUEST_CS_SELECTOR, 0x2B)
    vmcs.write(Field.GUEST_SS_SELECTOR, 0x23)
    vmcs.write(CS_RIGHTS, 0xA0FB)
    vmcs.write(SS_RIGHTS, 0xC0F3)
    assert check_entry(vmcs) is None


def test_kernel_with_a_null_stack_segment_is_accepted(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(Field.GUEST_SS_SELECTOR, 0)
    vmcs.write(SS_RIGHTS, 0x1_0000)
    assert check_entry(vmcs) is None
