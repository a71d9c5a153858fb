"""Stale translations are used exactly as long as the manual lets them be, under PCIDs, VPIDs and EPT roots."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from hardware_model.mmu.geometry import TlbGeometry
from tests.proofs.figures import counted
from tests.proofs.tlb_sequences import TELLING, sequence
from tests.proofs.tlb_world import NARROW, ROOMY, TIGHT, Mismatch, perform, smallest

SHORT, LONG, PARTS = 300, 20_000, 10
GEOMETRIES = pytest.mark.parametrize("geometry", [ROOMY, TIGHT, NARROW], ids=lambda g: g.name)


def proves(geometry: TlbGeometry, seeds: Iterable[int]) -> None:
    """Every access of every sequence is one that the manual allows; a failure names the smallest sequence that fails."""
    for seed in seeds:
        operations = sequence(seed)
        try:
            accesses = perform(geometry, operations)
        except Mismatch as mismatch:
            raise AssertionError((seed, smallest(geometry, operations))) from mismatch
        counted("TLB semantics: sequences")
        counted("TLB semantics: accesses", accesses)


@GEOMETRIES
def test_every_access_is_one_that_the_manual_allows(geometry: TlbGeometry) -> None:
    proves(geometry, (*TELLING, *range(SHORT)))


@pytest.mark.soak
@pytest.mark.parametrize("first", range(10_000, 10_000 + LONG, LONG // PARTS))
@GEOMETRIES
def test_every_access_of_many_is_one_that_the_manual_allows(
    geometry: TlbGeometry, first: int
) -> None:
    proves(geometry, range(first, first + LONG // PARTS))
