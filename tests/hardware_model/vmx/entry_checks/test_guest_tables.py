"""Guest TR, LDTR, GDTR and IDTR: each violation is exit reason 33 (26.3.1.2 and 26.3.1.3)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.guest_tables import GUEST_TABLES
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST = FeatureLevel.FIRST_GENERATION
NON_CANONICAL = 1 << 47
TR_RIGHTS, LDTR_RIGHTS = Field.GUEST_TR_ACCESS_RIGHTS, Field.GUEST_LDTR_ACCESS_RIGHTS
LDT = {LDTR_RIGHTS: 0x82}

VIOLATIONS = {
    FIRST: [
        ("tr_selector_names_the_gdt", {Field.GUEST_TR_SELECTOR: 0x1C}),
        ("ldtr_selector_names_the_gdt", LDT | {Field.GUEST_LDTR_SELECTOR: 4}),
        ("tr_base_is_canonical", {Field.GUEST_TR_BASE: NON_CANONICAL}),
        ("ldtr_base_is_canonical", LDT | {Field.GUEST_LDTR_BASE: NON_CANONICAL}),
        ("tr_type_is_busy_tss", {TR_RIGHTS: 0x89}),
        ("tr_type_is_busy_tss", {TR_RIGHTS: 0x83}),
        ("ldtr_type_is_ldt", {LDTR_RIGHTS: 0x83}),
        ("tr_is_a_system_segment", {TR_RIGHTS: 0x9B}),
        ("ldtr_is_a_system_segment", {LDTR_RIGHTS: 0x92}),
        ("tr_is_present", {TR_RIGHTS: 0xB}),
        ("ldtr_is_present", {LDTR_RIGHTS: 2}),
        ("tr_reserved_bits_are_zero", {TR_RIGHTS: 0x88B}),
        ("ldtr_reserved_bits_are_zero", {LDTR_RIGHTS: 0x882}),
        ("tr_granularity_agrees_with_limit", {Field.GUEST_TR_LIMIT: 0x10_0000}),
        ("ldtr_granularity_agrees_with_limit", LDT | {Field.GUEST_LDTR_LIMIT: 0x10_0000}),
        ("tr_is_usable", {TR_RIGHTS: 0x1_008B}),
        ("gdtr_base_is_canonical", {Field.GUEST_GDTR_BASE: NON_CANONICAL}),
        ("idtr_base_is_canonical", {Field.GUEST_IDTR_BASE: NON_CANONICAL}),
        ("gdtr_limit_is_16_bits", {Field.GUEST_GDTR_LIMIT: 0x1_0000}),
        ("idtr_limit_is_16_bits", {Field.GUEST_IDTR_LIMIT: 0x1_0000}),
    ],
}


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert failure.error is None and failure.exit_reason == 0x8000_0021
        assert (failure.rule, failure.qualification) == (rule, 0)


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested == {rule.name for rule in GUEST_TABLES.rules}


def test_usable_ldt_is_accepted(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(LDTR_RIGHTS, LDT[LDTR_RIGHTS])
    vmcs.write(Field.GUEST_LDTR_SELECTOR, 0x28)
    assert check_entry(vmcs) is None
