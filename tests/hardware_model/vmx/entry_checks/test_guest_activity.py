"""Activity, interruptibility and pending debug exceptions: exit reason 33 (26.3.1.5)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.guest_activity import GUEST_ACTIVITY
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST = FeatureLevel.FIRST_GENERATION
EPT = FeatureLevel.EPT
STATE, BLOCKING = Field.GUEST_ACTIVITY_STATE, Field.GUEST_INTERRUPTIBILITY_STATE
PENDING, RFLAGS = Field.GUEST_PENDING_DEBUG_EXCEPTIONS, Field.GUEST_RFLAGS
INFO = Field.ENTRY_INTERRUPTION_INFO
HLT, SHUTDOWN, WAIT_FOR_SIPI = 1, 2, 3
STI, MOV_SS, SMI, NMI_BLOCKED, ENCLAVE = 1, 2, 4, 8, 16
INTERRUPT, NMI, PAGE_FAULT = 0x8000_0020, 0x8000_0202, 0x8000_0B0E
DEBUG, MACHINE_CHECK = 0x8000_0301, 0x8000_0312
USER = {
    Field.GUEST_CS_SELECTOR: 0x2B,
    Field.GUEST_SS_SELECTOR: 0x23,
    Field.GUEST_CS_ACCESS_RIGHTS: 0xA0FB,
    Field.GUEST_SS_ACCESS_RIGHTS: 0xC0F3,
}

VIOLATIONS = {
    FIRST: [
        ("activity_state_is_supported", {STATE: 4}),
        ("activity_state_is_supported", {STATE: WAIT_FOR_SIPI}),
        ("halted_guest_is_at_ring_0", USER | {STATE: HLT}),
        ("shadowed_guest_is_active", {STATE: HLT, BLOCKING: STI}),
        ("inactive_guest_is_woken_by_the_event", {STATE: HLT, INFO: PAGE_FAULT}),
        ("inactive_guest_is_woken_by_the_event", {STATE: SHUTDOWN, INFO: INTERRUPT}),
        ("inactive_guest_is_woken_by_the_event", {STATE: SHUTDOWN, INFO: DEBUG}),
        ("interruptibility_reserved_bits_are_zero", {BLOCKING: 1 << 5}),
        ("interruptibility_reserved_bits_are_zero", {BLOCKING: ENCLAVE}),
        ("only_one_shadow_blocks", {BLOCKING: STI | MOV_SS}),
        ("sti_shadow_needs_interrupts_on", {BLOCKING: STI, RFLAGS: 2}),
        ("injected_interrupt_is_not_blocked", {BLOCKING: STI, INFO: INTERRUPT}),
        ("injected_interrupt_is_not_blocked", {BLOCKING: MOV_SS, INFO: INTERRUPT}),
        ("injected_nmi_is_not_in_a_mov_ss_shadow", {BLOCKING: MOV_SS, INFO: NMI}),
        ("injected_nmi_is_not_in_an_sti_shadow", {BLOCKING: STI, INFO: NMI}),
        ("smis_are_not_blocked", {BLOCKING: SMI}),
        ("pending_debug_reserved_bits_are_zero", {PENDING: 1 << 4}),
        ("pending_debug_reserved_bits_are_zero", {PENDING: 1 << 63}),
        ("pending_single_step_agrees_with_tf", {BLOCKING: STI, RFLAGS: 0x302}),
        ("pending_single_step_agrees_with_tf", {STATE: HLT, PENDING: 1 << 14}),
    ],
    EPT: [
        ("injected_virtual_nmi_is_not_blocked", {BLOCKING: NMI_BLOCKED, INFO: NMI}),
    ],
}
QUALIFICATIONS = {"injected_nmi_is_not_in_an_sti_shadow": 3}


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert failure.error is None and failure.exit_reason == 0x8000_0021
        assert (failure.rule, failure.qualification) == (rule, QUALIFICATIONS.get(rule, 0))


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested == {rule.name for rule in GUEST_ACTIVITY.rules}


@pytest.mark.parametrize(
    "changes",
    [
        {STATE: HLT},
        {STATE: SHUTDOWN},
        {STATE: HLT, INFO: INTERRUPT},
        {STATE: HLT, INFO: NMI},
        {STATE: HLT, INFO: DEBUG},
        {STATE: SHUTDOWN, INFO: NMI},
        {STATE: SHUTDOWN, INFO: MACHINE_CHECK},
        {BLOCKING: STI},
        {BLOCKING: MOV_SS, INFO: PAGE_FAULT},
        {BLOCKING: NMI_BLOCKED, INFO: INTERRUPT},
        {BLOCKING: STI, RFLAGS: 0x302, PENDING: 1 << 14},
        {BLOCKING: STI, RFLAGS: 0x302, Field.GUEST_IA32_DEBUGCTL: 2},
        {RFLAGS: 0x302},
    ],
)
def test_state_is_accepted(valid_vmcs, changes) -> None:
    vmcs = valid_vmcs(FIRST)
    for field, value in changes.items():
        vmcs.write(field, value)
    assert check_entry(vmcs) is None
