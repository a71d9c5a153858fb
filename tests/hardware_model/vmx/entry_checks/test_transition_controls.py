"""The VM-exit and VM-entry control fields: each violation is VMfailValid error 7 (26.2.1.2-3)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.transition_controls import TRANSITION_CONTROLS
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST, EPT, VPID, APIC = FeatureLevel
TOP = 1 << 40
"""The end of the physical address space."""

VIOLATIONS = {
    FIRST: [
        ("exit_controls_are_supported", {Field.EXIT_CONTROLS: lambda v: v & ~1}),
        ("entry_controls_are_supported", {Field.ENTRY_CONTROLS: lambda v: v | 1 << 31}),
        ("entry_is_not_for_smm", {Field.ENTRY_CONTROLS: lambda v: v | 1 << 10}),
        (
            "exit_msr_store_area_is_aligned",
            {Field.EXIT_MSR_STORE_COUNT: 1, Field.EXIT_MSR_STORE_ADDRESS: 8},
        ),
        (
            "exit_msr_store_area_is_in_memory",
            {Field.EXIT_MSR_STORE_COUNT: 2, Field.EXIT_MSR_STORE_ADDRESS: TOP - 16},
        ),
        (
            "exit_msr_load_area_is_aligned",
            {Field.EXIT_MSR_LOAD_COUNT: 1, Field.EXIT_MSR_LOAD_ADDRESS: 8},
        ),
        (
            "exit_msr_load_area_is_in_memory",
            {Field.EXIT_MSR_LOAD_COUNT: 1, Field.EXIT_MSR_LOAD_ADDRESS: TOP},
        ),
        (
            "entry_msr_load_area_is_aligned",
            {Field.ENTRY_MSR_LOAD_COUNT: 1, Field.ENTRY_MSR_LOAD_ADDRESS: 1},
        ),
        (
            "entry_msr_load_area_is_in_memory",
            {Field.ENTRY_MSR_LOAD_COUNT: 9, Field.ENTRY_MSR_LOAD_ADDRESS: TOP - 128},
        ),
    ],
    VPID: [
        ("saved_timer_is_active", {Field.EXIT_CONTROLS: lambda v: v | 1 << 22}),
    ],
}
SHADOWED = {"entry_is_not_for_smm"}
"""Broken together with a rule that precedes it: no feature level supports the control."""


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert failure.error == 7
        assert failure.rule == rule or rule in SHADOWED


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested == {rule.name for rule in TRANSITION_CONTROLS.rules}


def test_msr_area_may_end_at_the_top_of_memory_and_is_free_when_empty(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(Field.EXIT_MSR_LOAD_COUNT, 2)
    vmcs.write(Field.EXIT_MSR_LOAD_ADDRESS, TOP - 32)
    vmcs.write(Field.EXIT_MSR_STORE_ADDRESS, 1)
    assert check_entry(vmcs) is None
