"""Broken walkers are caught by the oracles and broken caches by the model of the TLB: a proof that cannot fail is none."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from hardware_model.mmu.state import Word
from tests.hardware_model.mmu import test_against_reference as manual
from tests.proofs import paging_oracle as O
from tests.proofs import test_paging_oracle, tlb_sequences, tlb_world
from tests.proofs.figures import counted
from tests.proofs.mmu_mutants import CACHES, ONE_DIMENSION, TWO_DIMENSIONS
from tests.proofs.mutants import mutant

SAMPLE, NESTS, SEQUENCES = 600, 200, 200


@cache
def some_cases(walk: O.Walk) -> O.Cases:
    """A sample of the oracle's cases: some of all, most of those whose entries are present and well-formed."""
    cases, chance = O.every_case(walk.leaf_bits), np.random.default_rng(1)
    malformed = (cases.upper | cases.leaf) & np.uint64(O.HIGH) != 0
    well_formed = np.nonzero((cases.upper & cases.leaf & np.uint64(O.P) != 0) & ~malformed)[0]
    some = chance.integers(0, len(cases.kind), SAMPLE // 4)
    some = np.concatenate([some, chance.choice(well_formed, SAMPLE)])
    return O.Cases(*(getattr(cases, name)[some] for name in O.Cases.__dataclass_fields__))


def one_dimension_agrees(unit: type) -> None:
    """The paging oracle on some of its cases."""
    for walk in O.WALKS:
        cases = some_cases(walk)
        mmu = unit(np.zeros(0x5000 // 8, np.uint64), test_paging_oracle.BARE)
        test_paging_oracle.memory_for(walk, mmu.ram)
        mmu[Word.CR3] = O.table(4)
        rows, answers = (
            test_paging_oracle.rows(walk, cases),
            test_paging_oracle.expected(walk, cases),
        )
        for row, answer in zip(rows.tolist(), answers.tolist(), strict=True):
            assert _walked(mmu, walk, row) == answer, row


def _walked(mmu: Any, walk: O.Walk, row: list[int]) -> list[int]:
    upper, leaf, controls, kind, user, ac = row
    places = [O.entry_address(level) >> 3 for level in (walk.upper, walk.leaf)]
    mmu.ram[places] = (upper, leaf)
    mmu[Word.CR0] = 0x80000001 | (controls & 1) << 16
    mmu[Word.EFER] = 0x500 | (controls >> 1 & 1) << 11
    mmu[Word.CR4] = 0x20 | (controls >> 2 & 3) << 20
    mmu.flush_everything()
    status = int(mmu.translate(O.VA, kind, bool(user), bool(ac)))
    return [status, mmu[Word.OUT_ERROR] if status else 0, *map(int, mmu.ram[places])]


def two_dimensions_agree(unit: type) -> None:
    """The walker of `test_against_reference` on random tables under a random EPT."""
    chance = np.random.default_rng(2)
    for _ in range(NESTS):
        controls = (*(bool(bit) for bit in chance.integers(0, 2, 4)), int(chance.integers(32)))
        eptp = manual.FRAMES << 12 | (0x1E, 0x5E)[int(chance.integers(2))]
        mmu = manual.machine(manual.BARE, int(chance.integers(1 << 32)), controls, eptp, unit)
        for _ in range(6):
            a, b, c, d = (int(n) for n in chance.integers(0, 3, 4))
            mmu.flush_everything()
            va = a << 39 | b << 30 | c << 21 | d << 12 | 0x18
            manual.check(mmu, va, int(chance.integers(3)), *map(bool, chance.integers(0, 2, 2)))


def caches_agree(unit: type) -> None:
    """The model of the TLB on random sequences."""
    for number in (*tlb_sequences.TELLING, *range(SEQUENCES)):
        tlb_world.perform(tlb_world.ROOMY, tlb_sequences.sequence(number), unit)


PROOFS = {
    "1-D walker": (one_dimension_agrees, ONE_DIMENSION),
    "2-D walker": (two_dimensions_agree, TWO_DIMENSIONS),
    "translation caches": (caches_agree, CACHES),
}
MUTANTS = [(kind, name) for kind, (_, broken) in PROOFS.items() for name in broken]


@pytest.fixture(autouse=True)
def _wrapping_arithmetic() -> Any:
    """Uncompiled, the unit's arithmetic modulo 2^64 would warn."""
    with np.errstate(all="ignore"):
        yield


def test_the_unit_itself_is_not_caught() -> None:
    unit = mutant({})["unit"].Mmu
    one_dimension_agrees(unit)
    two_dimensions_agree(unit)
    caches_agree(unit)


@pytest.mark.parametrize(("kind", "name"), MUTANTS)
def test_a_broken_unit_is_caught(kind: str, name: str) -> None:
    agree, broken = PROOFS[kind]
    module, old, new = broken[name]
    unit = mutant({module: (old, new)})["unit"].Mmu
    with pytest.raises((AssertionError, IndexError)):
        agree(unit)
    counted(f"mutants caught: {kind}")
