"""Running the rules: order, messages, and the incremental checker against the full check."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_model.vmx.capabilities import capabilities_of
from hardware_model.vmx.entry_checks import RULES, EntryChecker, check_entry
from hardware_model.vmx.entry_checks.rule import Dependency, MemoryRule, Part
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.field_encoding import FieldType
from hardware_model.vmx.fields import Field
from hardware_model.vmx.vmcs import Vmcs

FIRST = FeatureLevel.FIRST_GENERATION
LATEST = FeatureLevel.EPT_VPID
WRITABLE = [field for field in Field if field.type is not FieldType.READ_ONLY]


class RecordingVmcs(Vmcs):
    """A VMCS that remembers which fields were loaded."""

    __slots__ = ("loaded",)

    def load(self, field: Field) -> int:
        self.loaded.add(field)
        return super().load(field)


def field_of(dependency: Dependency) -> Field:
    return dependency.field if isinstance(dependency, Part) else dependency


@pytest.mark.parametrize("level", FeatureLevel)
def test_valid_vmcs_passes_at_each_level(level, valid_vmcs) -> None:
    assert check_entry(valid_vmcs(level)) is None


def test_rules_are_documented_and_have_names_of_their_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.section.startswith("26.")
        assert rule.text and not rule.text.endswith(".")


def test_failure_is_one_sentence_that_names_field_value_and_rule(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(Field.GUEST_RFLAGS, 0x200)
    failure = check_entry(vmcs)
    assert failure is not None
    assert failure.sentence == (
        "GUEST_RFLAGS = 0x200: bits 63:22, 15, 5 and 3 must be 0 and bit 1 must be 1"
        " (SDM vol. 3C 26.3.1.4)"
    )


def test_control_failures_precede_host_failures_and_those_guest_failures(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    errors = []
    for field, value in (
        (Field.GUEST_RFLAGS, 0),
        (Field.HOST_CR0, 0),
        (Field.CR3_TARGET_COUNT, 9),
    ):
        vmcs.write(field, value)
        failure = check_entry(vmcs)
        assert failure is not None
        errors.append(failure.error)
    assert errors == [None, 8, 7]


@settings(deadline=None)
@given(st.data())
def test_rules_load_only_the_fields_that_they_declare(data) -> None:
    capabilities = capabilities_of(data.draw(st.sampled_from(FeatureLevel)))
    vmcs = RecordingVmcs(capabilities)
    for field in data.draw(st.sets(st.sampled_from(WRITABLE))):
        vmcs.store(field, data.draw(st.integers(0, field.mask)))
    for rule in RULES:
        vmcs.loaded = set()
        rule.passes(vmcs, lambda address: 0)
        assert vmcs.loaded <= {field_of(one) for one in rule.depends}, rule.name


@settings(deadline=None)
@given(st.data())
def test_rules_ignore_the_bits_of_a_field_that_they_do_not_declare(data) -> None:
    vmcs = Vmcs(capabilities_of(data.draw(st.sampled_from(FeatureLevel))))
    for field in data.draw(st.sets(st.sampled_from(WRITABLE))):
        vmcs.store(field, data.draw(st.integers(0, field.mask)))
    for rule in RULES:
        before = rule.passes(vmcs, None)
        for part in (one for one in rule.depends if isinstance(one, Part)):
            vmcs.store(part.field, vmcs.load(part.field) ^ ~part.bits)
        if not any(part.field in rule.depends for part in rule.depends if isinstance(part, Part)):
            assert rule.passes(vmcs, None) == before, rule.name


def test_rules_that_read_memory_say_so() -> None:
    assert {rule.name for rule in RULES if isinstance(rule, MemoryRule)} == {
        "tpr_threshold_does_not_exceed_vtpr",
        "link_pointer_names_a_vmcs",
        "pdptes_in_memory_are_valid",
    }


flips = st.sampled_from(WRITABLE).flatmap(
    lambda field: st.tuples(st.just(field), st.integers(0, field.width.bits - 1))
)
"""A bit of a field to invert."""
steps = st.lists(st.tuples(st.lists(flips, max_size=3), st.booleans()), max_size=20)
"""Changes between two entries, and whether they are taken back after the check."""


@pytest.mark.parametrize("level", FeatureLevel)
def test_checker_answers_like_the_full_check_after_any_changes(level, valid_vmcs) -> None:
    @settings(deadline=None)
    @given(steps)
    def compare(steps) -> None:
        vmcs = valid_vmcs(level)
        checker = EntryChecker(vmcs)
        for changes, taken_back in steps:
            before = vmcs.words.copy()
            for field, bit in changes:
                vmcs.store(field, vmcs.load(field) ^ 1 << bit)
            assert checker.check() == check_entry(vmcs)
            if taken_back:
                vmcs.words[:] = before

    compare()


def test_checker_sees_changes_made_to_the_page_by_native_code(valid_vmcs) -> None:
    vmcs = valid_vmcs(LATEST)
    checker = EntryChecker(vmcs)
    assert checker.check() is None
    vmcs.words[:] = np.where(vmcs.words == vmcs.load(Field.GUEST_RIP), 1 << 47, vmcs.words)
    failure = checker.check()
    assert failure is not None and failure.rule == "guest_rip_is_within_its_mode"


def test_checker_follows_memory_without_any_change_to_the_vmcs(valid_vmcs) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(Field.TPR_THRESHOLD, 3)
    vtpr = 0x40
    checker = EntryChecker(vmcs, memory=lambda address: vtpr)
    assert checker.check() is None
    vtpr = 0x20
    failure = checker.check()
    assert failure is not None and failure.rule == "tpr_threshold_does_not_exceed_vtpr"
