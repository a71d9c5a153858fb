"""The host-state area: each violation is VMfailValid error 8 (SDM vol. 3C 26.2.2-26.2.4)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.entry_checks.host_state import HOST_STATE
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST = FeatureLevel.FIRST_GENERATION
EPT = FeatureLevel.EPT
NON_CANONICAL = 1 << 47
ADDRESSES = (
    Field.HOST_IA32_SYSENTER_ESP,
    Field.HOST_IA32_SYSENTER_EIP,
    Field.HOST_FS_BASE,
    Field.HOST_GS_BASE,
    Field.HOST_GDTR_BASE,
    Field.HOST_IDTR_BASE,
    Field.HOST_TR_BASE,
    Field.HOST_RIP,
)
SELECTORS = {
    Field.HOST_ES_SELECTOR: 1,
    Field.HOST_CS_SELECTOR: 0xB,
    Field.HOST_SS_SELECTOR: 4,
    Field.HOST_DS_SELECTOR: 2,
    Field.HOST_FS_SELECTOR: 3,
    Field.HOST_GS_SELECTOR: 7,
    Field.HOST_TR_SELECTOR: 0x1C,
}

VIOLATIONS = {
    FIRST: [
        ("host_cr0_is_supported", {Field.HOST_CR0: 0x10033}),
        ("host_cr0_is_supported", {Field.HOST_CR0: lambda v: v | 1 << 32}),
        ("host_cr4_is_supported", {Field.HOST_CR4: 0x6A0}),
        ("host_cr3_is_in_memory", {Field.HOST_CR3: 1 << 40}),
        *((f"{field.name.lower()}_is_canonical", {field: NON_CANONICAL}) for field in ADDRESSES),
        *((f"{field.name.lower()}_is_privileged", {field: v}) for field, v in SELECTORS.items()),
        ("host_cs_selector_is_not_null", {Field.HOST_CS_SELECTOR: 0}),
        ("host_tr_selector_is_not_null", {Field.HOST_TR_SELECTOR: 0}),
        ("host_64_bit_mode_needs_pae", {Field.HOST_CR4: 0x2680}),
    ],
    EPT: [
        ("host_pat_is_valid", {Field.HOST_IA32_PAT: 2}),
        ("host_efer_reserved_bits_are_zero", {Field.HOST_IA32_EFER: lambda v: v | 2}),
        ("host_efer_agrees_with_address_space", {Field.HOST_IA32_EFER: 0x901}),
        (
            "host_is_in_64_bit_mode",
            {Field.EXIT_CONTROLS: lambda v: v & ~(1 << 9), Field.HOST_IA32_EFER: 0x801},
        ),
    ],
}


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert (failure.rule, failure.error) == (rule, 8)


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested == {rule.name for rule in HOST_STATE.rules}
