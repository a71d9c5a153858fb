"""The VMCS region: VMREAD and VMWRITE, the processor's access, and the page itself."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_model.vmx.capabilities import capabilities_of
from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.fields import Field
from hardware_model.vmx.instruction_errors import InstructionError, VmFailValid
from hardware_model.vmx.layout import WORD_INDEX
from hardware_model.vmx.vmcs import LaunchState, Vmcs

FIRST = capabilities_of(FeatureLevel.FIRST_GENERATION)
LATEST = capabilities_of(FeatureLevel.VIRTUAL_APIC)
ALL_ONES = (1 << 64) - 1


def test_every_supported_field_keeps_its_value_to_its_width() -> None:
    vmcs = Vmcs(LATEST)
    for field in Field:
        vmcs.store(field, ALL_ONES)
    for field in Field:
        assert vmcs.read(field) == vmcs.load(field) == field.mask


def test_write_truncates_to_the_width_of_the_field() -> None:
    vmcs = Vmcs(LATEST)
    vmcs.write(Field.VPID, 0x1_2345)
    vmcs.write(Field.EXCEPTION_BITMAP, -1)
    vmcs.write(Field.GUEST_RIP, -1)
    assert vmcs.read(Field.VPID) == 0x2345
    assert vmcs.read(Field.EXCEPTION_BITMAP) == 0xFFFF_FFFF
    assert vmcs.read(Field.GUEST_RIP) == ALL_ONES


@pytest.mark.parametrize("field", [Field.EXIT_REASON, Field.GUEST_PHYSICAL_ADDRESS])
def test_write_of_a_read_only_field_fails_with_error_13(field: Field) -> None:
    with pytest.raises(VmFailValid, match=f"{field.name} is read-only") as failure:
        Vmcs(LATEST).write(field, 0)
    assert failure.value.error is InstructionError.READ_ONLY_COMPONENT == 13


@pytest.mark.parametrize("encoding", [Field.VPID, Field.EPT_POINTER, Field.EPT_POINTER + 1])
def test_field_of_a_later_level_fails_with_error_12(encoding: int) -> None:
    vmcs = Vmcs(FIRST)
    for access in (lambda: vmcs.read(encoding), lambda: vmcs.write(encoding, 0)):
        with pytest.raises(VmFailValid, match="first-generation") as failure:
            access()
        assert failure.value.error is InstructionError.UNSUPPORTED_COMPONENT == 12


@pytest.mark.parametrize("encoding", [0x7FFE, Field.GUEST_RIP + 1, -1])
def test_encoding_that_names_no_field_fails_with_error_12(encoding: int) -> None:
    with pytest.raises(VmFailValid) as failure:
        Vmcs(LATEST).read(encoding)
    assert failure.value.error == 12


def test_high_access_reaches_the_upper_half_of_a_64_bit_field() -> None:
    vmcs = Vmcs(LATEST)
    vmcs.write(Field.TSC_OFFSET, 0x1111_2222_3333_4444)
    assert vmcs.read(Field.TSC_OFFSET + 1) == 0x1111_2222
    vmcs.write(Field.TSC_OFFSET + 1, 0xF_5555_6666)
    assert vmcs.read(Field.TSC_OFFSET) == 0x5555_6666_3333_4444
    with pytest.raises(VmFailValid, match="read-only"):
        vmcs.write(Field.GUEST_PHYSICAL_ADDRESS + 1, 0)


def test_region_lies_in_the_given_page() -> None:
    memory = np.full(3 * 4096, 0xAA, np.uint8)
    vmcs = Vmcs(LATEST, memory[4096:8192])
    vmcs.write(Field.GUEST_RIP, 0x1234)
    words = memory.view(np.uint64)
    assert words[512] == LATEST.revision
    assert words[512 + WORD_INDEX[Field.GUEST_RIP]] == 0x1234
    words[512 + WORD_INDEX[Field.GUEST_RSP]] = 0x5678
    assert vmcs.read(Field.GUEST_RSP) == 0x5678
    assert (memory[:4096] == 0xAA).all() and (memory[8192:] == 0xAA).all()


def test_launch_state_and_abort_indicator_lie_in_the_region() -> None:
    page = np.zeros(4096, np.uint8)
    vmcs = Vmcs(LATEST, page)
    assert vmcs.launch_state is LaunchState.CLEAR
    vmcs.launch_state = LaunchState.LAUNCHED
    vmcs.abort_indicator = 4
    again = Vmcs(LATEST, page, attach=True)
    assert again.launch_state is LaunchState.LAUNCHED
    assert (again.revision, again.abort_indicator) == (LATEST.revision, 4)
    assert page[:8].tobytes() == LATEST.revision.to_bytes(4, "little") + b"\4\0\0\0"


def test_attaching_to_another_revision_fails_with_error_11() -> None:
    with pytest.raises(VmFailValid, match="revision identifier 0x0") as failure:
        Vmcs(LATEST, np.zeros(4096, np.uint8), attach=True)
    assert failure.value.error is InstructionError.VMPTRLD_INCORRECT_REVISION == 11


def test_region_must_be_one_writable_page() -> None:
    with pytest.raises(ValueError, match="4096 writable bytes"):
        Vmcs(LATEST, np.zeros(4095, np.uint8))
    with pytest.raises(ValueError, match="4096 writable bytes"):
        Vmcs(LATEST, memoryview(bytes(4096)))
