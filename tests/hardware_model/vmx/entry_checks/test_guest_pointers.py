"""The VMCS link pointer and the PAE PDPTEs: exit reason 33 with a qualification (26.3.1.5-6)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.guest_pointers import GUEST_POINTERS
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST = FeatureLevel.FIRST_GENERATION
EPT = FeatureLevel.EPT
LINK = Field.VMCS_LINK_POINTER
BAD_PDPTE, BAD_LINK = 2, 4


def leave_ia32e_mode(entry: int) -> int:
    return entry & ~(1 << 9)


PAE_PAGING = {
    Field.ENTRY_CONTROLS: leave_ia32e_mode,
    Field.GUEST_CS_ACCESS_RIGHTS: 0xC09B,
    Field.GUEST_RIP: 0x1000,
}

VIOLATIONS = {
    FIRST: [
        ("link_pointer_is_a_page", {LINK: 0x1001}),
        ("link_pointer_is_a_page", {LINK: 1 << 40}),
    ],
    EPT: [
        (
            "pdptes_are_valid_under_ept",
            PAE_PAGING | {Field.GUEST_PDPTE2: 0x2003, Field.GUEST_IA32_EFER: 1},
        ),
    ],
}
TESTED_BELOW = {"link_pointer_names_a_vmcs", "pdptes_in_memory_are_valid"}


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert failure.error is None and failure.exit_reason == 0x8000_0021
        assert failure.rule == rule
        assert failure.qualification == (BAD_LINK if "link" in rule else BAD_PDPTE)


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested | TESTED_BELOW == {rule.name for rule in GUEST_POINTERS.rules}


def test_linked_region_must_begin_with_the_revision_identifier(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(LINK, 0x5000)
    memory = {0x5000: 0x1234_5678_0000_0000 | vmcs.capabilities.revision}
    memory[vmcs.read(Field.VIRTUAL_APIC_ADDRESS) + 0x80] = 0
    assert check_entry(vmcs, memory=memory.__getitem__) is None
    memory[0x5000] = 0
    failure = check_entry(vmcs, memory=memory.__getitem__)
    assert failure is not None
    assert (failure.rule, failure.qualification) == ("link_pointer_names_a_vmcs", BAD_LINK)


@pytest.mark.parametrize(("entry", "refused"), [(0x2001, False), (0x2000_0106, False), (3, True)])
def test_pdptes_lie_in_memory_without_ept(valid_vmcs, entry, refused) -> None:
    vmcs = valid_vmcs(FIRST)
    for field, change in PAE_PAGING.items():
        vmcs.write(field, change(vmcs.read(field)) if callable(change) else change)
    memory = {0x1000 + 8 * index: 0 for index in range(4)} | {0x1018: entry}
    memory[vmcs.read(Field.VIRTUAL_APIC_ADDRESS) + 0x80] = 0
    failure = check_entry(vmcs, memory=memory.__getitem__)
    assert (failure is not None) == refused
    if failure is not None:
        assert (failure.rule, failure.qualification) == ("pdptes_in_memory_are_valid", BAD_PDPTE)
