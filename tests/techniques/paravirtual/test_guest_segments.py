"""Segments to which a guest may return: what IRET would load, and the exceptions where it would not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from techniques.paravirtual.guest_segments import GuestSegments, SegmentFault
from techniques.technique import GuestError

from .attack_guest import outcome

CODE, DATA = 0x00AFFB000000FFFF, 0x00CFF3000000FFFF
TABLE = {
    0x08: CODE,
    0x10: DATA,
    0x18: CODE & ~(1 << 47),  # not present
    0x20: DATA & ~(1 << 47),
    0x28: DATA & ~(1 << 41),  # read-only
    0x30: CODE & ~(3 << 45),  # of DPL 0
    0x38: DATA & ~(3 << 45),
    0x40: 0x00CFFB000000FFFF,  # 32-bit
    0x48: 0x0000890000000067,  # a TSS
}


def segments() -> GuestSegments:
    return GuestSegments(
        lambda selector: struct.pack("<Q", TABLE[selector & ~7]) if selector & ~7 in TABLE else None
    )


def test_flat_segments_are_xens_own_whatever_the_guests_table() -> None:
    code, data = segments().returned_to(0xE033, 0xE02B)
    assert (code.selector, code.flags, data.selector, data.flags) == (
        *(0xE033, 0xAFFB00),
        *(0xE02B, 0xCFF300),
    )


def test_the_guests_own_are_loaded_from_its_table() -> None:
    code, data = segments().returned_to(0x0B, 0x13)
    assert (code.selector, code.base, code.limit) == (0x0B, 0, 0xFFFFFFFF)
    assert (code.flags, data.flags) == (0xA0FB00, 0xC0F300)


@pytest.mark.parametrize(
    ("code", "data", "vector", "error"),
    [
        (0x03, 0x13, 13, 0),  # null
        (0x0F, 0x13, 13, 0x0C),  # of the LDT
        (0x1003, 0x13, 13, 0x1000),  # behind the table
        (0x13, 0x13, 13, 0x10),  # data as code
        (0x1B, 0x13, 11, 0x18),
        (0x33, 0x13, 13, 0x30),
        (0x4B, 0x13, 13, 0x48),
        (0x0B, 0x03, 13, 0),
        (0x0B, 0x0B, 13, 0x08),  # code as stack
        (0x0B, 0x23, 12, 0x20),
        (0x0B, 0x2B, 13, 0x28),
        (0x0B, 0x3B, 13, 0x38),
    ],
)
def test_others_are_the_processors_exceptions(
    code: int, data: int, vector: int, error: int
) -> None:
    with pytest.raises(SegmentFault) as fault:
        segments().returned_to(code, data)
    assert (fault.value.vector, fault.value.error) == (vector, error)


def test_32_bit_code_ends_the_guest_with_a_sentence() -> None:
    with pytest.raises(GuestError, match="32-bit code"):
        segments().returned_to(0x43, 0x13)


@pytest.mark.parametrize(
    ("code", "address", "frame"),
    [
        ("0xe030", "0x800000000000", "000000000000000d 0000000000000000 0000800000000000"),
        ("0", "0x400000", "000000000000000d 0000000000000000 0000000000400000"),
        ("0x40", "0x400000", "000000000000000d 0000000000000040 0000000000400000"),
    ],
)
def test_a_kernel_that_returns_to_nowhere_gets_the_exception_there(
    tmp_path: Path, code: str, address: str, frame: str
) -> None:
    body = f"""
    mov rcx, rsp
    push 0xe028
    push rcx
    push 0x202
    push {code}
    mov rax, {address}
    push rax
    push 0
    push 0
    push 0
    push 0
    HYPERCALL XEN_IRET
    """
    ended = outcome(tmp_path, body)
    assert ended.guest_status == 255
    assert frame.encode() in ended.console
