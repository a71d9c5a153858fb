"""The table of exit reasons against SDM vol. 3D appendix C."""

from __future__ import annotations

import pytest

from hardware_model.vmx.exit_reasons import BY_NAME, BY_NUMBER, EXIT_REASONS, Reason

SDM = {
    "exception_nmi": 0,
    "external_interrupt": 1,
    "triple_fault": 2,
    "interrupt_window": 7,
    "nmi_window": 8,
    "task_switch": 9,
    "cpuid": 10,
    "hlt": 12,
    "invd": 13,
    "invlpg": 14,
    "rdpmc": 15,
    "rdtsc": 16,
    "vmcall": 18,
    "vmclear": 19,
    "vmxon": 27,
    "cr_access": 28,
    "dr_access": 29,
    "io_instruction": 30,
    "rdmsr": 31,
    "wrmsr": 32,
    "entry_failure_guest_state": 33,
    "tpr_below_threshold": 43,
    "apic_access": 44,
    "ept_violation": 48,
    "ept_misconfiguration": 49,
    "rdtscp": 51,
    "preemption_timer": 52,
    "wbinvd": 54,
    "xsetbv": 55,
    "invpcid": 58,
    "xrstors": 64,
}


@pytest.mark.parametrize(("name", "number"), SDM.items())
def test_reason_has_the_number_of_the_sdm(name: str, number: int) -> None:
    assert BY_NAME[name].number == number
    assert BY_NUMBER[number].name == name
    assert Reason(number).name.lower() == name


def test_reasons_are_unique_ordered_and_documented() -> None:
    numbers = [row.number for row in EXIT_REASONS]
    assert numbers == sorted(set(numbers))
    assert all(row.doc for row in EXIT_REASONS)


def test_the_numbers_that_the_sdm_leaves_out_are_left_out() -> None:
    assert set(range(65)) - set(BY_NUMBER) == {35, 38, 42}


def test_qualification_and_instruction_length_are_declared() -> None:
    assert Reason.CR_ACCESS.qualified and Reason.CR_ACCESS.instruction
    assert Reason.EPT_VIOLATION.qualified and not Reason.EPT_VIOLATION.instruction
    assert not Reason.CPUID.qualified and Reason.CPUID.instruction
