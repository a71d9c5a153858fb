"""The walker, and the engine's own MMU as a second witness, against the oracle: every combination of bits."""

from __future__ import annotations

import numpy as np
import pytest

from hardware_model.mmu import access, invalidation
from hardware_model.mmu.geometry import TlbArray, TlbGeometry
from hardware_model.mmu.state import Status, Word
from hardware_model.mmu.unit import Mmu
from hardware_model.native import native
from tests.proofs import paging_oracle as O
from tests.proofs.engine_mmu import EngineMmu
from tests.proofs.figures import counted

ANY = (TlbArray(("4k",), 1, 1), TlbArray(("2m",), 1, 1), TlbArray(("1g",), 1, 1))
BARE = TlbGeometry("bare", l1i=ANY, l1d=ANY)
_CR0, _CR4, _EFER, _ERROR = (int(w) for w in (Word.CR0, Word.CR4, Word.EFER, Word.OUT_ERROR))


@native
def walk_all(ram, mmu, counters, va, cases, upper_at, leaf_at, results):
    """Each row of `cases` (upper, leaf, controls, kind, user, ac) walked cold; `results` rows: status, error, entries."""
    for i in range(len(cases)):
        ram[upper_at], ram[leaf_at] = cases[i, 0], cases[i, 1]
        controls = cases[i, 2]
        one = np.uint64(1)
        mmu[_CR0] = np.uint64(0x80000001) | (controls & one) << np.uint64(16)
        mmu[_EFER] = np.uint64(0x500) | (controls >> one & one) << np.uint64(11)
        mmu[_CR4] = np.uint64(0x20) | (controls >> np.uint64(2) & np.uint64(3)) << np.uint64(20)
        invalidation.flush_everything(mmu, counters)
        status = access.translate(
            ram,
            mmu,
            counters,
            np.uint64(va),
            np.int64(cases[i, 3]),
            cases[i, 4] != 0,
            cases[i, 5] != 0,
        )
        results[i, 0] = status
        results[i, 1] = mmu[_ERROR] if status == 1 else np.uint64(0)
        results[i, 2], results[i, 3] = ram[upper_at], ram[leaf_at]


def memory_for(walk: O.Walk, ram: np.ndarray) -> None:
    """Permissive entries on every level of the walk."""
    for level in range(4, walk.leaf, -1):
        ram[O.entry_address(level) >> 3] = O.PERMISSIVE | O.pointer(level)
    ram[O.entry_address(walk.leaf) >> 3] = O.PERMISSIVE | O.TARGET | walk.always


def rows(walk: O.Walk, cases: O.Cases) -> np.ndarray:
    """The cases as the driver takes them, entries with their addresses."""
    upper = cases.upper | np.uint64(O.pointer(walk.upper))
    leaf = cases.leaf | np.uint64(O.TARGET | walk.always)
    return np.stack([upper, leaf, cases.controls, cases.kind, cases.user, cases.ac], axis=1)


def expected(walk: O.Walk, cases: O.Cases) -> np.ndarray:
    """The oracle's answers in the form of the driver's results."""
    p = O.predict(cases)
    upper = p.upper | np.uint64(O.pointer(walk.upper))
    leaf = p.leaf | np.uint64(O.TARGET | walk.always)
    status = np.where(p.fault, int(Status.PAGE_FAULT), int(Status.OK)).astype(np.uint64)
    return np.stack([status, p.error, upper, leaf], axis=1)


@pytest.mark.parametrize("walk", O.WALKS, ids=lambda walk: f"level {walk.upper} over {walk.leaf}")
def test_the_walker_agrees_with_the_manual_in_every_case(walk: O.Walk) -> None:
    cases = O.every_case(walk.leaf_bits)
    mmu = Mmu(np.zeros(0x5000 // 8, np.uint64), BARE)
    memory_for(walk, mmu.ram)
    mmu[Word.CR3] = O.table(4)
    results = np.zeros((len(cases), 4), np.uint64)
    at = [O.entry_address(level) >> 3 for level in (walk.upper, walk.leaf)]
    walk_all(mmu.ram, mmu.state, mmu.counters, O.VA, rows(walk, cases), *at, results)
    wrong = np.nonzero((results != expected(walk, cases)).any(axis=1))[0]
    counted("paging oracle: walker", len(cases))
    assert len(wrong) == 0, [(rows(walk, cases)[i], results[i]) for i in wrong[:3]]


def witness(walk: O.Walk, share: int) -> None:
    """The engine's own MMU on every `share`-th case."""
    cases = O.every_case(walk.leaf_bits)
    some = np.random.default_rng(walk.upper * 8 + walk.leaf).permutation(len(cases))[::share]
    cases = O.Cases(*(getattr(cases, name)[some] for name in O.Cases.__dataclass_fields__))
    engine = EngineMmu()
    memory_for(walk, engine.words)
    results = engine.walk_all(
        rows(walk, cases), O.entry_address(walk.upper), O.entry_address(walk.leaf)
    )
    answers = expected(walk, cases)
    if (
        walk.leaf == 3
    ):  # the engine marks a 1 GiB page accessed before it looks at its rights, which is allowed
        results[results[:, 0] != 0, 3] = answers[results[:, 0] != 0, 3]
    wrong = np.nonzero((results != answers).any(axis=1))[0]
    counted("paging oracle: engine as second witness", len(cases))
    found = [
        (*map(hex, row), "came to", *map(hex, results[i]))
        for i in wrong[:3]
        for row in [rows(walk, cases)[i].tolist()]
    ]
    assert not found, found


@pytest.mark.parametrize("walk", O.WALKS, ids=lambda walk: f"level {walk.upper} over {walk.leaf}")
def test_the_engines_own_mmu_agrees_too(walk: O.Walk) -> None:
    witness(walk, share=2003)


@pytest.mark.soak
@pytest.mark.parametrize("walk", O.WALKS, ids=lambda walk: f"level {walk.upper} over {walk.leaf}")
def test_the_engines_own_mmu_agrees_in_many_cases(walk: O.Walk) -> None:
    witness(walk, share=31)
