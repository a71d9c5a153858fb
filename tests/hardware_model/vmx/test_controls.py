"""Control bits and feature levels against the SDM and known values of capability MSRs."""

from __future__ import annotations

import pytest

from hardware_model.cpu.control_registers import CR4_WRITABLE
from hardware_model.vmx.capabilities import CR4_FIXED0, CR4_FIXED1, capabilities_of
from hardware_model.vmx.capability_msrs import CapabilityMsr, capability_msrs
from hardware_model.vmx.controls import Entry, Exit, PinBased, Primary, Secondary
from hardware_model.vmx.feature_levels import BY_LABEL, FeatureLevel

FIRST, EPT, VPID, APIC = FeatureLevel


@pytest.mark.parametrize(
    ("control", "bit"),
    [
        (PinBased.PREEMPTION_TIMER, 6),
        (Primary.INTERRUPT_WINDOW_EXITING, 2),
        (Primary.HLT_EXITING, 7),
        (Primary.CR3_LOAD_EXITING, 15),
        (Primary.USE_TPR_SHADOW, 21),
        (Primary.USE_MSR_BITMAPS, 28),
        (Primary.ACTIVATE_SECONDARY_CONTROLS, 31),
        (Secondary.ENABLE_EPT, 1),
        (Secondary.ENABLE_VPID, 5),
        (Secondary.UNRESTRICTED_GUEST, 7),
        (Exit.ACKNOWLEDGE_INTERRUPT, 15),
        (Exit.LOAD_EFER, 21),
        (Entry.IA32E_MODE_GUEST, 9),
        (Entry.LOAD_EFER, 15),
    ],
)
def test_control_has_the_bit_of_the_sdm(control: int, bit: int) -> None:
    assert control == 1 << bit


def test_every_control_is_one_documented_bit() -> None:
    for vector in (PinBased, Primary, Secondary, Exit, Entry):
        for control in vector:
            assert control.doc and int(control).bit_count() == 1


def test_labels_are_what_a_user_writes() -> None:
    assert list(BY_LABEL) == ["first-generation", "ept", "ept-vpid", "virtual-apic"]


def test_first_generation_has_no_secondary_controls_and_always_exits_on_cr3() -> None:
    able = capabilities_of(FIRST)
    assert not able.primary.may & Primary.ACTIVATE_SECONDARY_CONTROLS
    assert able.secondary.may == 0
    assert able.primary.must & Primary.CR3_LOAD_EXITING
    assert able.primary.may & Primary.USE_TPR_SHADOW


def test_ept_levels_may_leave_cr3_accesses_alone() -> None:
    assert not capabilities_of(EPT).primary.must & Primary.CR3_LOAD_EXITING
    assert not capabilities_of(EPT).secondary.may & Secondary.ENABLE_VPID
    assert capabilities_of(VPID).secondary.may & Secondary.ENABLE_VPID


def test_only_the_latest_level_posts_interrupts() -> None:
    delivery, posted = Secondary.VIRTUAL_INTERRUPT_DELIVERY, PinBased.POSTED_INTERRUPTS
    for level in FeatureLevel:
        able = capabilities_of(level)
        assert bool(able.secondary.may & delivery) == (level is APIC)
        assert bool(able.pin_based.may & posted) == (level is APIC)


def test_adjust_makes_any_value_admissible() -> None:
    for level in FeatureLevel:
        primary = capabilities_of(level).primary
        for wanted in (0, 0xFFFF_FFFF, int(Primary.HLT_EXITING)):
            assert primary.admits(primary.adjust(wanted))
        assert not primary.admits(0)
        assert not primary.admits(0xFFFF_FFFF)


def test_capability_msrs_of_the_first_generation() -> None:
    msrs = capability_msrs(capabilities_of(FIRST))
    assert msrs[CapabilityMsr.VMX_PROCBASED_CTLS] == 0x77B9_FFFE_0401_E172
    assert msrs[CapabilityMsr.VMX_PINBASED_CTLS] == 0x0000_001F_0000_0016
    assert msrs[CapabilityMsr.VMX_BASIC] == 0x0058_1000_0000_0001
    assert msrs[CapabilityMsr.VMX_CR0_FIXED0] == 0x8000_0021
    assert CapabilityMsr.VMX_PROCBASED_CTLS2 not in msrs
    assert CapabilityMsr.VMX_TRUE_PROCBASED_CTLS not in msrs


def test_capability_msrs_of_the_latest_level() -> None:
    msrs = capability_msrs(capabilities_of(VPID))
    assert msrs[CapabilityMsr.VMX_PROCBASED_CTLS] & 0xFFFF_FFFF == 0x0401_E172
    assert msrs[CapabilityMsr.VMX_TRUE_PROCBASED_CTLS] & 0xFFFF_FFFF == 0x0400_6172
    assert msrs[CapabilityMsr.VMX_BASIC] >> 55 & 1
    assert msrs[CapabilityMsr.VMX_VMCS_ENUM] == 0x17 << 1
    assert msrs[CapabilityMsr.VMX_EPT_VPID_CAP] >> 32 & 1
    assert msrs[CapabilityMsr.VMX_MISC] >> 16 & 0x1FF == 4


def test_ept_without_vpid_advertises_no_invvpid() -> None:
    msrs = capability_msrs(capabilities_of(EPT))
    assert msrs[CapabilityMsr.VMX_EPT_VPID_CAP] >> 32 == 0
    assert msrs[CapabilityMsr.VMX_EPT_VPID_CAP] & (1 << 6 | 1 << 14) == 1 << 6 | 1 << 14


def test_a_guest_may_set_what_the_cpu_has_in_cr4() -> None:
    assert CR4_FIXED1 == CR4_WRITABLE | CR4_FIXED0
