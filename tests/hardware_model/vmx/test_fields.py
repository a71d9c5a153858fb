"""The VMCS fields against SDM vol. 3D appendix B."""

from __future__ import annotations

import pytest

from hardware_model.vmx.feature_levels import FeatureLevel
from hardware_model.vmx.field_encoding import FieldType, FieldWidth, index_of
from hardware_model.vmx.fields import Field
from hardware_model.vmx.layout import FIRST_FIELD_WORD, PAGE_BYTES, WORD_BYTES, WORD_INDEX

SDM = [
    (Field.VPID, 0x0000, FieldWidth.WORD, FieldType.CONTROL),
    (Field.GUEST_TR_SELECTOR, 0x080E, FieldWidth.WORD, FieldType.GUEST),
    (Field.POSTED_INTERRUPT_VECTOR, 0x0002, FieldWidth.WORD, FieldType.CONTROL),
    (Field.GUEST_INTERRUPT_STATUS, 0x0810, FieldWidth.WORD, FieldType.GUEST),
    (Field.POSTED_INTERRUPT_DESCRIPTOR, 0x2016, FieldWidth.QUADWORD, FieldType.CONTROL),
    (Field.EOI_EXIT_BITMAP0, 0x201C, FieldWidth.QUADWORD, FieldType.CONTROL),
    (Field.EOI_EXIT_BITMAP3, 0x2022, FieldWidth.QUADWORD, FieldType.CONTROL),
    (Field.HOST_TR_SELECTOR, 0x0C0C, FieldWidth.WORD, FieldType.HOST),
    (Field.IO_BITMAP_A, 0x2000, FieldWidth.QUADWORD, FieldType.CONTROL),
    (Field.EPT_POINTER, 0x201A, FieldWidth.QUADWORD, FieldType.CONTROL),
    (Field.GUEST_PHYSICAL_ADDRESS, 0x2400, FieldWidth.QUADWORD, FieldType.READ_ONLY),
    (Field.VMCS_LINK_POINTER, 0x2800, FieldWidth.QUADWORD, FieldType.GUEST),
    (Field.GUEST_IA32_EFER, 0x2806, FieldWidth.QUADWORD, FieldType.GUEST),
    (Field.GUEST_PDPTE3, 0x2810, FieldWidth.QUADWORD, FieldType.GUEST),
    (Field.HOST_IA32_EFER, 0x2C02, FieldWidth.QUADWORD, FieldType.HOST),
    (Field.PIN_BASED_CONTROLS, 0x4000, FieldWidth.DOUBLEWORD, FieldType.CONTROL),
    (Field.ENTRY_INTERRUPTION_INFO, 0x4016, FieldWidth.DOUBLEWORD, FieldType.CONTROL),
    (Field.SECONDARY_CONTROLS, 0x401E, FieldWidth.DOUBLEWORD, FieldType.CONTROL),
    (Field.EXIT_REASON, 0x4402, FieldWidth.DOUBLEWORD, FieldType.READ_ONLY),
    (Field.EXIT_INSTRUCTION_INFO, 0x440E, FieldWidth.DOUBLEWORD, FieldType.READ_ONLY),
    (Field.GUEST_IDTR_LIMIT, 0x4812, FieldWidth.DOUBLEWORD, FieldType.GUEST),
    (Field.GUEST_CS_ACCESS_RIGHTS, 0x4816, FieldWidth.DOUBLEWORD, FieldType.GUEST),
    (Field.GUEST_TR_ACCESS_RIGHTS, 0x4822, FieldWidth.DOUBLEWORD, FieldType.GUEST),
    (Field.PREEMPTION_TIMER_VALUE, 0x482E, FieldWidth.DOUBLEWORD, FieldType.GUEST),
    (Field.HOST_IA32_SYSENTER_CS, 0x4C00, FieldWidth.DOUBLEWORD, FieldType.HOST),
    (Field.CR3_TARGET_VALUE3, 0x600E, FieldWidth.NATURAL, FieldType.CONTROL),
    (Field.EXIT_QUALIFICATION, 0x6400, FieldWidth.NATURAL, FieldType.READ_ONLY),
    (Field.GUEST_CR3, 0x6802, FieldWidth.NATURAL, FieldType.GUEST),
    (Field.GUEST_IDTR_BASE, 0x6818, FieldWidth.NATURAL, FieldType.GUEST),
    (Field.GUEST_RIP, 0x681E, FieldWidth.NATURAL, FieldType.GUEST),
    (Field.GUEST_RFLAGS, 0x6820, FieldWidth.NATURAL, FieldType.GUEST),
    (Field.HOST_RIP, 0x6C16, FieldWidth.NATURAL, FieldType.HOST),
]


@pytest.mark.parametrize(("field", "encoding", "width", "kind"), SDM)
def test_field_has_the_encoding_of_the_sdm(
    field: Field, encoding: int, width: FieldWidth, kind: FieldType
) -> None:
    assert (int(field), field.width, field.type) == (encoding, width, kind)


def test_fields_are_documented_and_use_full_access_encodings() -> None:
    assert all(field.doc for field in Field)
    assert not any(field & 1 or field & 0x1000 for field in Field)
    assert max(index_of(field) for field in Field) == 0x17


def test_masks_have_the_width() -> None:
    assert Field.VPID.mask == 0xFFFF
    assert Field.EXIT_REASON.mask == 0xFFFF_FFFF
    assert Field.IO_BITMAP_A.mask == Field.GUEST_RIP.mask == (1 << 64) - 1


def test_later_levels_add_their_fields() -> None:
    assert Field.EPT_POINTER.since is FeatureLevel.EPT
    assert Field.VPID.since is FeatureLevel.EPT_VPID
    assert Field.TPR_THRESHOLD.since is FeatureLevel.FIRST_GENERATION


def test_every_field_has_its_own_word_in_the_page() -> None:
    assert sorted(WORD_INDEX.values()) == list(
        range(FIRST_FIELD_WORD, FIRST_FIELD_WORD + len(Field))
    )
    assert max(WORD_INDEX.values()) < PAGE_BYTES // WORD_BYTES
