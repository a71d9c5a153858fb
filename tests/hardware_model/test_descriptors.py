"""Descriptors, gates and the TSS have the SDM's bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_model.descriptors import (
    AR_UNUSABLE,
    CACHE_FLAGS_MASK,
    Gate,
    SegmentDescriptor,
    Selector,
    SystemType,
    access_rights_of_cache,
    cache_of_access_rights,
    code64,
    data,
    tss_descriptor,
)
from hardware_model.task_state import TSS_BYTES, TaskState

U64 = st.integers(0, 2**64 - 1)


def test_flat_segments_have_the_well_known_encodings() -> None:
    assert int.from_bytes(code64().encode(), "little") == 0x00AF9B000000FFFF
    assert int.from_bytes(data().encode(), "little") == 0x00CF93000000FFFF
    assert int.from_bytes(code64(3).encode(), "little") == 0x00AFFB000000FFFF


def test_vmx_access_rights_of_flat_segments() -> None:
    assert code64().access_rights == 0xA09B
    assert data().access_rights == 0xC093
    assert tss_descriptor(0, busy=True).access_rights == 0x8B


def test_an_absent_segment_is_unusable_and_an_unusable_one_has_no_flags() -> None:
    assert access_rights_of_cache(0) & AR_UNUSABLE
    assert cache_of_access_rights(AR_UNUSABLE | 0xA09B) == 0


@given(st.integers(0, 2**32 - 1))
def test_the_three_forms_of_access_rights_agree(word: int) -> None:
    flags = (word & CACHE_FLAGS_MASK) | 1 << 15
    assert cache_of_access_rights(access_rights_of_cache(flags)) == flags


@given(U64, st.integers(0, 0xFFFFF), st.booleans(), st.integers(0, 3), st.booleans())
def test_a_descriptor_survives_encoding(
    base: int, limit: int, system: bool, dpl: int, granular: bool
) -> None:
    segment = SegmentDescriptor(
        base=base if system else base & 0xFFFF_FFFF,
        limit=(limit << 12 | 0xFFF) if granular and limit > 0xFF else limit,
        type=SystemType.TSS_AVAILABLE,
        dpl=dpl,
        system=system,
    )
    raw = segment.encode()
    assert len(raw) == (16 if system else 8)
    assert SegmentDescriptor.decode(raw) == segment


def test_half_a_system_descriptor_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        SegmentDescriptor.decode(tss_descriptor(0x1000).encode()[:8])


@given(U64, st.integers(0, 0xFFFF), st.integers(0, 3), st.integers(0, 7), st.booleans())
def test_a_gate_survives_encoding(
    offset: int, selector: int, dpl: int, ist: int, present: bool
) -> None:
    gate = Gate(offset, selector, SystemType.TRAP_GATE, dpl, ist, present)
    raw = gate.encode()
    assert len(raw) == 16
    assert Gate.decode(raw) == gate
    assert not gate.clears_interrupt_flag


def test_a_gate_has_the_bits_of_the_manual() -> None:
    raw = Gate(0x1122334455667788, 0x08, dpl=3, ist=2).encode()
    assert raw.hex() == "88770800" + "02ee" + "6655" + "44332211" + "00000000"


@given(st.integers(0, 0xFFFF))
def test_a_selector_survives_decoding(value: int) -> None:
    assert Selector.decode(value).encode() == value


def test_the_task_state_segment_has_its_fields_where_the_manual_has_them() -> None:
    state = TaskState((1, 2, 3), (11, 12, 13, 14, 15, 16, 17), 0x68)
    raw = state.encode()
    assert len(raw) == TSS_BYTES
    assert raw[4] == 1
    assert raw[36] == 11
    assert raw[84] == 17
    assert raw[102] == 0x68
    assert TaskState.decode(raw) == state


def test_the_stack_of_a_delivery_is_the_ist_stack_if_there_is_one() -> None:
    state = TaskState((1, 2, 3), (11, 12, 13, 14, 15, 16, 17))
    assert (state.stack_for(1, 0), state.stack_for(0, 7)) == (2, 17)
