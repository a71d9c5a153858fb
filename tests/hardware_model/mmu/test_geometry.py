"""TLB geometries read from presets, and the errors of those that cannot be built."""

import tomllib

import pytest

from hardware_model.mmu.geometry import NEHALEM, GeometryError, TlbArray, TlbGeometry

PRESET = """
[tlb]
source = "measured"
l1i = { 4k = [128, 4], 2m = [7, 7] }
l1d = { "4k" = { value = [64, 4], source = "manual" }, 2m = [32, 4], 1g = [4, 4] }
l2 = { "4k+2m" = [1536, 12] }
l2_fetch = false
pdpte = { value = 4, kind = "estimated" }
pde = 32
"""


def test_a_geometry_is_read_from_a_preset():
    geometry = TlbGeometry.from_mapping("example", tomllib.loads(PRESET)["tlb"])
    assert geometry.l1i == NEHALEM.l1i
    assert geometry.l1d == NEHALEM.l1d
    assert geometry.l2 == (TlbArray(("4k", "2m"), 1536, 12),)
    assert not geometry.l2_fetch
    assert (geometry.pml4e, geometry.pdpte, geometry.pde, geometry.nested) == (0, 4, 32, 0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "tlb.l1i of x has no array for 4k pages"),
        ({"l1i": {"4k": [96, 4]}}, "96 entries in 4 ways do not make a power of two"),
        ({"l1i": {"4k": 64}}, r"tlb.l1i.4k is 64, not \[entries, ways\]"),
        ({"l1i": {"8k": [64, 4]}}, "unknown page size '8k'"),
        ({"l1i": 64}, "tlb.l1i is 64, not a table"),
        ({"pde": "many"}, "tlb.pde of x is 'many'"),
    ],
)
def test_a_geometry_that_cannot_be_built_is_refused(table, message):
    with pytest.raises(GeometryError, match=message):
        TlbGeometry.from_mapping("x", table)


def test_two_arrays_for_one_page_size_are_refused():
    one = TlbArray(("4k",), 4, 4)
    with pytest.raises(GeometryError, match="two arrays for one page size"):
        TlbGeometry("x", l1i=(one,), l1d=(one, one))
