"""The interruption-information format against hand-encoded events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_model.vmx.interruption import (
    Interruption,
    InterruptionType,
    external_interrupt,
    hardware_exception,
)


@pytest.mark.parametrize(
    ("event", "encoded"),
    [
        (external_interrupt(0x20), 0x8000_0020),
        (Interruption(2, InterruptionType.NMI), 0x8000_0202),
        (hardware_exception(14), 0x8000_0B0E),
        (hardware_exception(6), 0x8000_0306),
        (Interruption(0x80, InterruptionType.SOFTWARE_INTERRUPT), 0x8000_0480),
        (Interruption(3, InterruptionType.SOFTWARE_EXCEPTION), 0x8000_0603),
        (Interruption(2, InterruptionType.NMI, nmi_unblocking=True), 0x8000_1202),
    ],
)
def test_event_has_the_encoding_of_the_sdm(event: Interruption, encoded: int) -> None:
    assert event.encode() == encoded
    assert Interruption.decode(encoded) == event


@given(st.integers(0, 0xFFFF_FFFF))
def test_decoding_loses_only_reserved_bits(value: int) -> None:
    assert Interruption.decode(value).encode() == value & 0x8000_1FFF


def test_only_instructions_need_a_length() -> None:
    assert [kind for kind in InterruptionType if kind.is_software] == [
        InterruptionType.SOFTWARE_INTERRUPT,
        InterruptionType.PRIVILEGED_SOFTWARE_EXCEPTION,
        InterruptionType.SOFTWARE_EXCEPTION,
    ]
