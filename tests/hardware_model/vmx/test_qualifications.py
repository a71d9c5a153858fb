"""Exit qualifications against hand-encoded ones of SDM vol. 3C 27.2.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware_model.mmu.ept import EptViolation as EptBits
from hardware_model.vmx.qualifications import (
    ApicAccess,
    ApicAccessType,
    CrAccess,
    CrAccessType,
    DebugException,
    DrAccess,
    EptViolation,
    IoInstruction,
    TaskSwitch,
    TaskSwitchSource,
)


class Qualification(Protocol):
    def encode(self) -> int: ...


KNOWN: list[tuple[Qualification, int]] = [
    (CrAccess(3, CrAccessType.MOV_TO_CR, gpr=7), 0x703),
    (CrAccess(3, CrAccessType.MOV_FROM_CR, gpr=0), 0x13),
    (CrAccess(8, CrAccessType.MOV_TO_CR, gpr=0), 0x8),
    (CrAccess(0, CrAccessType.CLTS), 0x20),
    (CrAccess(0, CrAccessType.LMSW, lmsw_memory=True, lmsw_source=0x33), 0x33_0070),
    (DrAccess(7, read=True, gpr=15), 0xF17),
    (IoInstruction(0x3F8, 1, read=False), 0x3F8_0000),
    (IoInstruction(0x71, 1, read=True, immediate=True), 0x71_0048),
    (IoInstruction(0xF4, 4, read=False), 0xF4_0003),
    (IoInstruction(0x1F0, 2, read=True, string=True, rep=True), 0x1F0_0039),
    (EptViolation(True, False, False, False, False, False), 0x181),
    (EptViolation(False, True, False, True, False, True), 0x1AA),
    (EptViolation(True, True, False, True, False, True, final_translation=False), 0xAB),
    (ApicAccess(0xB0, ApicAccessType.LINEAR_WRITE), 0x10B0),
    (DebugException(single_step=True), 0x4000),
    (TaskSwitch(0x28, TaskSwitchSource.TASK_GATE), 0xC000_0028),
]


@pytest.mark.parametrize(("record", "encoded"), KNOWN)
def test_record_has_the_encoding_of_the_sdm(record: Qualification, encoded: int) -> None:
    assert record.encode() == encoded
    decode = record.__class__.decode  # type: ignore[attr-defined]
    assert decode(encoded) == record


@pytest.mark.parametrize(
    ("decode", "defined"),
    [
        (CrAccess.decode, 0xFFFF_0F7F),
        (DrAccess.decode, 0xF17),
        (IoInstruction.decode, 0xFFFF_007F),
        (EptViolation.decode, 0x11BF),
        (DebugException.decode, 0x600F),
        (TaskSwitch.decode, 0xC000_FFFF),
    ],
)
@given(value=st.integers(0, 0xFFFF_FFFF))
def test_decoding_loses_only_undefined_bits(
    decode: Callable[[int], Qualification], defined: int, value: int
) -> None:
    assert decode(value).encode() == value & defined


def test_ept_violation_has_the_bits_that_the_mmu_reports() -> None:
    bits = EptBits.WRITE | EptBits.READABLE | EptBits.EXECUTABLE | EptBits.LINEAR_VALID
    record = EptViolation.decode(int(bits))
    assert record.write and record.readable and record.executable
    assert record.linear_address_valid and not record.final_translation
    assert not (record.read or record.fetch or record.writable)
