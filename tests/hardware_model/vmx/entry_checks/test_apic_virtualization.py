"""APIC virtualization and posted interrupts: each violation is VMfailValid error 7 (SDM vol. 3C 26.2.1.1)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.controls import Exit, PinBased, Primary, Secondary
from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.apic_virtualization import APIC_VIRTUALIZATION
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

APIC = FeatureLevel.VIRTUAL_APIC
PIN, PRIMARY, SECONDARY = (
    Field.PIN_BASED_CONTROLS,
    Field.PRIMARY_CONTROLS,
    Field.SECONDARY_CONTROLS,
)
DELIVERY = Secondary.VIRTUAL_INTERRUPT_DELIVERY
POSTED = {
    PIN: lambda v: v | PinBased.POSTED_INTERRUPTS,
    SECONDARY: lambda v: v | DELIVERY | Secondary.APIC_REGISTER_VIRTUALIZATION,
    Field.EXIT_CONTROLS: lambda v: v | Exit.ACKNOWLEDGE_INTERRUPT,
    Field.POSTED_INTERRUPT_VECTOR: 0xF2,
    Field.POSTED_INTERRUPT_DESCRIPTOR: 0x10_6040,
}
NO_SHADOW = {PRIMARY: lambda v: v & ~Primary.USE_TPR_SHADOW}
VIOLATIONS = [
    (
        "virtual_apic_registers_need_the_tpr_shadow",
        NO_SHADOW | {SECONDARY: lambda v: v | Secondary.APIC_REGISTER_VIRTUALIZATION},
    ),
    (
        "virtual_apic_registers_need_the_tpr_shadow",
        NO_SHADOW | {SECONDARY: lambda v: v | DELIVERY},
    ),
    (
        "virtual_interrupts_need_external_interrupt_exiting",
        {
            SECONDARY: lambda v: v | DELIVERY,
            PIN: lambda v: v & ~PinBased.EXTERNAL_INTERRUPT_EXITING,
        },
    ),
    (
        "posted_interrupts_need_virtual_interrupts",
        {**POSTED, SECONDARY: lambda v: v & ~DELIVERY},
    ),
    (
        "posted_interrupts_need_acknowledgement",
        {**POSTED, Field.EXIT_CONTROLS: lambda v: v & ~Exit.ACKNOWLEDGE_INTERRUPT},
    ),
    ("notification_vector_is_eight_bits", {**POSTED, Field.POSTED_INTERRUPT_VECTOR: 0x1F2}),
    ("posted_interrupt_descriptor_is_aligned", {**POSTED, Field.POSTED_INTERRUPT_DESCRIPTOR: 0x20}),
    (
        "posted_interrupt_descriptor_is_aligned",
        {**POSTED, Field.POSTED_INTERRUPT_DESCRIPTOR: 1 << 40},
    ),
]


@pytest.mark.parametrize(("rule", "changes"), VIOLATIONS)
def test_violation_is_refused(refusals, rule, changes) -> None:
    for failure in refusals(rule, changes, APIC):
        assert (failure.rule, failure.error) == (rule, 7)


def test_every_rule_is_tested() -> None:
    assert {rule for rule, _ in VIOLATIONS} == {rule.name for rule in APIC_VIRTUALIZATION.rules}


def test_posted_interrupts_are_accepted_whatever_the_tpr_threshold(valid_vmcs) -> None:
    vmcs = valid_vmcs(APIC)
    for field, change in POSTED.items():
        vmcs.write(field, change(vmcs.read(field)) if callable(change) else change)
    vmcs.write(Field.TPR_THRESHOLD, 0x1F)
    assert check_entry(vmcs, memory=lambda address: 0) is None


@pytest.mark.parametrize("level", [one for one in FeatureLevel if one < APIC])
def test_earlier_processors_refuse_the_controls(valid_vmcs, level) -> None:
    vmcs = valid_vmcs(level)
    vmcs.write(PIN, vmcs.read(PIN) | PinBased.POSTED_INTERRUPTS)
    failure = check_entry(vmcs)
    assert failure is not None and failure.rule == "pin_based_controls_are_supported"
