"""The VM-execution control fields: each violation is VMfailValid error 7 (SDM vol. 3C 26.2.1.1)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hardware_model.vmx.capabilities import capabilities_of
from hardware_model.vmx.controls import PinBased, Primary, Secondary
from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.execution_controls import EXECUTION_CONTROLS
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

FIRST, EPT, VPID, APIC = FeatureLevel
PIN, PRIMARY = Field.PIN_BASED_CONTROLS, Field.PRIMARY_CONTROLS
SECONDARY = Field.SECONDARY_CONTROLS
BEYOND_MEMORY = 1 << 40

VIOLATIONS = {
    FIRST: [
        ("pin_based_controls_are_supported", {PIN: lambda v: v & ~2}),
        ("primary_controls_are_supported", {PRIMARY: lambda v: v & ~2}),
        ("cr3_target_count_is_supported", {Field.CR3_TARGET_COUNT: 5}),
        ("io_bitmap_a_is_a_page", {Field.IO_BITMAP_A: 0x800}),
        ("io_bitmap_b_is_a_page", {Field.IO_BITMAP_B: BEYOND_MEMORY}),
        ("msr_bitmaps_are_a_page", {Field.MSR_BITMAPS: 1}),
        ("virtual_apic_is_a_page", {Field.VIRTUAL_APIC_ADDRESS: 0x10}),
        ("tpr_threshold_is_four_bits", {Field.TPR_THRESHOLD: 0x10}),
    ],
    EPT: [
        ("secondary_controls_are_supported", {SECONDARY: lambda v: v | 1 << 31}),
        ("virtual_nmis_need_nmi_exiting", {PIN: lambda v: v & ~PinBased.NMI_EXITING}),
        (
            "nmi_window_needs_virtual_nmis",
            {
                PRIMARY: lambda v: v | Primary.NMI_WINDOW_EXITING,
                PIN: lambda v: v & ~PinBased.VIRTUAL_NMIS,
            },
        ),
        ("apic_access_address_is_a_page", {Field.APIC_ACCESS_ADDRESS: 0x123}),
        ("ept_memory_type_is_supported", {Field.EPT_POINTER: 0x1000 | 3 << 3 | 1}),
        ("ept_walk_length_is_four", {Field.EPT_POINTER: 0x1000 | 2 << 3 | 6}),
        ("ept_pointer_reserved_bits_are_zero", {Field.EPT_POINTER: lambda v: v | 1 << 7}),
        ("ept_pointer_reserved_bits_are_zero", {Field.EPT_POINTER: lambda v: v | 1 << 40}),
    ],
    VPID: [
        ("vpid_is_not_zero", {Field.VPID: 0}),
        (
            "unrestricted_guest_needs_ept",
            {SECONDARY: lambda v: v & ~Secondary.ENABLE_EPT | Secondary.UNRESTRICTED_GUEST},
        ),
    ],
}
TESTED_BELOW = {"tpr_threshold_does_not_exceed_vtpr", "ept_accessed_dirty_is_supported"}


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert (failure.rule, failure.error) == (rule, 7)


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested | TESTED_BELOW == {rule.name for rule in EXECUTION_CONTROLS.rules}


def test_secondary_controls_that_are_not_activated_are_ignored(valid_vmcs) -> None:
    vmcs = valid_vmcs(VPID)
    vmcs.write(PRIMARY, vmcs.read(PRIMARY) & ~int(Primary.ACTIVATE_SECONDARY_CONTROLS))
    vmcs.write(SECONDARY, 0xFFFF_FFFF)
    vmcs.write(Field.EPT_POINTER, 1)
    vmcs.write(Field.VPID, 0)
    assert check_entry(vmcs) is None


def test_accessed_dirty_flags_need_their_capability(valid_vmcs) -> None:
    vmcs = valid_vmcs(EPT)
    vmcs.write(Field.EPT_POINTER, vmcs.read(Field.EPT_POINTER) | 1 << 6)
    assert check_entry(vmcs) is None
    poorer = replace(capabilities_of(EPT), ept_accessed_dirty=False)
    failure = check_entry(Vmcs(poorer, vmcs.words.view("u1"), attach=True))
    assert failure is not None and failure.rule == "ept_accessed_dirty_is_supported"


@pytest.mark.parametrize(("vtpr", "refused"), [(0x20, True), (0x30, False), (0x3F, False)])
def test_tpr_threshold_is_compared_with_vtpr_in_memory(valid_vmcs, vtpr, refused) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(Field.TPR_THRESHOLD, 3)
    memory = {vmcs.read(Field.VIRTUAL_APIC_ADDRESS) + 0x80: 0xABCD_EF00 | vtpr}
    failure = check_entry(vmcs, memory=memory.__getitem__)
    assert (failure is not None) == refused
    if failure is not None:
        assert (failure.rule, failure.error) == ("tpr_threshold_does_not_exceed_vtpr", 7)
    assert check_entry(vmcs) is None


def test_tpr_threshold_is_not_compared_when_apic_accesses_are_virtualized(valid_vmcs) -> None:
    vmcs = valid_vmcs(EPT)
    vmcs.write(Field.TPR_THRESHOLD, 3)
    assert check_entry(vmcs, memory=lambda address: 0) is None
