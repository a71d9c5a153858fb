"""Guest control registers, MSRs, RIP and RFLAGS: a violation is exit reason 33 (26.3.1.1, .4)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.controls import Secondary
from hardware_model.vmx.entry_checks.guest_registers import GUEST_REGISTERS
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST, EPT, VPID, APIC = FeatureLevel
NON_CANONICAL = 1 << 47
INFO = Field.ENTRY_INTERRUPTION_INFO


def unrestrict(secondary: int) -> int:
    return secondary | Secondary.UNRESTRICTED_GUEST


VIOLATIONS = {
    FIRST: [
        ("guest_cr0_is_supported", {Field.GUEST_CR0: 0x8001_0013}),
        ("guest_cr0_is_supported", {Field.GUEST_CR0: 0x0001_0033}),
        ("guest_cr4_is_supported", {Field.GUEST_CR4: lambda v: v | 1 << 16}),
        ("guest_debugctl_reserved_bits_are_zero", {Field.GUEST_IA32_DEBUGCTL: 4}),
        ("guest_ia32e_mode_needs_pae", {Field.GUEST_CR4: 0x2680}),
        (
            "guest_pcids_need_ia32e_mode",
            {
                Field.GUEST_CR4: lambda v: v | 1 << 17,
                Field.ENTRY_CONTROLS: lambda v: v & ~(1 << 9),
            },
        ),
        ("guest_cr3_is_in_memory", {Field.GUEST_CR3: 1 << 40}),
        ("guest_dr7_is_32_bits", {Field.GUEST_DR7: 1 << 32}),
        ("guest_sysenter_esp_is_canonical", {Field.GUEST_IA32_SYSENTER_ESP: NON_CANONICAL}),
        ("guest_sysenter_eip_is_canonical", {Field.GUEST_IA32_SYSENTER_EIP: NON_CANONICAL}),
        ("guest_rip_is_within_its_mode", {Field.GUEST_RIP: NON_CANONICAL}),
        ("guest_rip_is_within_its_mode", {Field.GUEST_CS_ACCESS_RIGHTS: 0xC09B}),
        ("guest_rflags_reserved_bits_are_fixed", {Field.GUEST_RFLAGS: 0x200}),
        ("guest_rflags_reserved_bits_are_fixed", {Field.GUEST_RFLAGS: 0x202 | 1 << 22}),
        ("guest_rflags_reserved_bits_are_fixed", {Field.GUEST_RFLAGS: 0x8202}),
        ("guest_virtual_8086_mode_is_possible", {Field.GUEST_RFLAGS: 0x2_0202}),
        ("guest_accepts_the_injected_interrupt", {INFO: 0x8000_0020, Field.GUEST_RFLAGS: 2}),
    ],
    EPT: [
        ("guest_pat_is_valid", {Field.GUEST_IA32_PAT: 3 << 56}),
        ("guest_efer_reserved_bits_are_zero", {Field.GUEST_IA32_EFER: 0x1D01}),
        ("guest_efer_lma_agrees_with_mode", {Field.GUEST_IA32_EFER: 0x901}),
        ("guest_efer_lme_agrees_with_lma", {Field.GUEST_IA32_EFER: 0xC01}),
    ],
    VPID: [
        (
            "guest_paging_needs_protection",
            {Field.GUEST_CR0: 0x8001_0032, Field.SECONDARY_CONTROLS: unrestrict},
        ),
        (
            "guest_ia32e_mode_needs_paging",
            {Field.GUEST_CR0: 0x0001_0033, Field.SECONDARY_CONTROLS: unrestrict},
        ),
    ],
}
SHADOWED = {"guest_pcids_need_ia32e_mode"}
"""Broken together with a rule that precedes it: the modelled CPU has no PCIDs."""


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert failure.error is None and failure.exit_reason == 0x8000_0021
        assert failure.qualification == 0
        assert failure.rule == rule or rule in SHADOWED


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested == {rule.name for rule in GUEST_REGISTERS.rules}
