"""The event to inject: each violation is VMfailValid error 7 (SDM vol. 3C 26.2.1.3)."""

from __future__ import annotations

import pytest

from hardware_model.vmx.entry_checks import check_entry
from hardware_model.vmx.entry_checks.injection import INJECTION
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field

FIRST = FeatureLevel.FIRST_GENERATION
INFO = Field.ENTRY_INTERRUPTION_INFO
LENGTH, ERROR_CODE = Field.ENTRY_INSTRUCTION_LENGTH, Field.ENTRY_EXCEPTION_ERROR_CODE

VIOLATIONS = {
    FIRST: [
        ("injected_type_is_not_reserved", {INFO: 0x8000_0120}),
        ("injected_type_is_not_reserved", {INFO: 0x8000_0700}),
        ("injected_vector_suits_its_type", {INFO: 0x8000_0203}),
        ("injected_vector_suits_its_type", {INFO: 0x8000_0320}),
        ("injected_error_code_suits_its_vector", {INFO: 0x8000_030E}),
        ("injected_error_code_suits_its_vector", {INFO: 0x8000_0B06}),
        ("injected_error_code_suits_its_vector", {INFO: 0x8000_0820}),
        ("injection_reserved_bits_are_zero", {INFO: 0x8000_1202}),
        ("injected_error_code_is_15_bits", {INFO: 0x8000_0B0E, ERROR_CODE: 0x8000}),
        ("injected_instruction_has_a_length", {INFO: 0x8000_0603}),
        ("injected_instruction_has_a_length", {INFO: 0x8000_0480, LENGTH: 16}),
    ],
}


@pytest.mark.parametrize(
    ("level", "rule", "changes"),
    [(level, *row) for level, rows in VIOLATIONS.items() for row in rows],
)
def test_violation_is_refused(refusals, level, rule, changes) -> None:
    for failure in refusals(rule, changes, level):
        assert (failure.rule, failure.error) == (rule, 7)


def test_every_rule_is_tested() -> None:
    tested = {rule for rows in VIOLATIONS.values() for rule, _ in rows}
    assert tested == {rule.name for rule in INJECTION.rules}


@pytest.mark.parametrize(
    ("info", "length"),
    [
        (0x8000_0020, 0),  # external interrupt 32
        (0x8000_0202, 0),  # NMI
        (0x8000_0B0E, 0),  # page fault with error code
        (0x8000_0306, 0),  # invalid opcode
        (0x8000_0480, 2),  # INT 80H
        (0x8000_0603, 1),  # INT3
        (0x0000_7FFF, 0),  # not valid, so not checked
    ],
)
def test_event_is_accepted(valid_vmcs, info, length) -> None:
    vmcs = valid_vmcs(FIRST)
    vmcs.write(INFO, info)
    vmcs.write(LENGTH, length)
    vmcs.write(ERROR_CODE, 2)
    assert check_entry(vmcs) is None
