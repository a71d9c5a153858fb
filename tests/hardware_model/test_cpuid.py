"""CPUID advertises what the machine has, in the architecture's places."""

from __future__ import annotations

import struct

import pytest

from hardware_model.cpuid import FEATURES, VENDOR, CpuidError, CpuidPolicy, cpuid


def test_leaf_0_spells_the_vendor() -> None:
    highest, b, c, d = cpuid(0)
    assert highest == 7
    assert struct.pack("<3I", b, d, c) == VENDOR


def test_leaf_1_has_the_family_and_the_long_mode_minimum() -> None:
    eax, ebx, _, edx = cpuid(1)
    assert eax == 0x000106A5
    assert ebx >> 8 & 0xFF == 8
    for bit in (0, 3, 4, 5, 6, 8, 9, 13, 15, 24, 25, 26):
        assert edx >> bit & 1


@pytest.mark.parametrize(
    ("leaf", "register", "bit", "what"),
    [
        (1, 2, 5, "VMX"),
        (1, 2, 3, "MONITOR"),
        (1, 2, 17, "PCID"),
        (1, 2, 21, "x2APIC"),
        (1, 2, 26, "XSAVE"),
        (1, 2, 28, "AVX"),
        (1, 2, 31, "hypervisor"),
        (1, 3, 11, "SYSENTER"),
        (1, 3, 12, "MTRR"),
        (7, 1, 0, "FSGSBASE"),
        (7, 1, 5, "AVX2"),
        (7, 1, 10, "INVPCID"),
    ],
)
def test_what_the_machine_lacks_is_not_advertised(
    leaf: int, register: int, bit: int, what: str
) -> None:
    assert not cpuid(leaf)[register] >> bit & 1, what


def test_address_widths() -> None:
    assert cpuid(0x8000_0008)[0] == 40 | 48 << 8


def test_the_brand_string_spans_three_leaves() -> None:
    brand = b"".join(struct.pack("<4I", *cpuid(0x8000_0002 + i)) for i in range(3))
    assert brand.rstrip(b"\0") == b"trapbench model processor"


def test_a_leaf_beyond_the_highest_answers_as_the_highest_basic_leaf() -> None:
    assert cpuid(0x4000_0000) == cpuid(7) == cpuid(0x8000_0009) == cpuid(0x1234)


def test_a_hypervisor_shows_itself_only_when_asked() -> None:
    policy = CpuidPolicy(hypervisor=b"TestVMMsTest")
    highest, b, c, d = policy.cpuid(0x4000_0000)
    assert highest == 0x4000_0000
    assert struct.pack("<3I", b, c, d) == b"TestVMMsTest"
    assert policy.cpuid(1)[2] >> 31
    assert not cpuid(1)[2] >> 31


def test_a_hidden_feature_disappears_and_an_unknown_one_is_refused() -> None:
    policy = CpuidPolicy(without=frozenset({"smap", "smep"}))
    assert policy.cpuid(7) == (0, 0, 0, 0)
    assert not policy.has("smap")
    assert policy.has("nx")
    with pytest.raises(CpuidError, match="'avx'"):
        CpuidPolicy(without=frozenset({"avx"}))
    with pytest.raises(CpuidError, match="12 bytes"):
        CpuidPolicy(hypervisor=b"short")


def test_no_two_features_share_a_bit() -> None:
    places = [(f.leaf, f.register, f.bit) for f in FEATURES]
    assert len(set(places)) == len(places)


def test_every_register_is_32_bits_wide() -> None:
    for leaf in (*range(9), *range(0x8000_0000, 0x8000_000A)):
        assert all(0 <= value < 1 << 32 for value in cpuid(leaf))
