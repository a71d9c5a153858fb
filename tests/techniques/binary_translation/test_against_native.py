"""Random kernel programs and the suite's workloads end alike natively and translated."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import techniques
import workloads
from techniques.binary_translation.translation_cache import TranslationCache
from techniques.binary_translation.unit import Unit
from tests.proofs.figures import counted
from tests.techniques.binary_translation.conftest import differences
from tests.techniques.binary_translation.sequences import program

PROGRAMS = "translator: random kernel programs"
REGRESSIONS = (1, 10, 16, 72, 190, 247, 279, 331, 444)
"""Seeds whose programs once ended differently."""


@pytest.mark.parametrize("seed", [*REGRESSIONS, *range(2000, 2250)])
def test_a_random_kernel_program_ends_as_natively(seed: int) -> None:
    counted(PROGRAMS)
    found = differences(program(seed))
    assert not found, f"seed {seed}: {found}"


@pytest.mark.parametrize(
    "knobs",
    [
        {"bt.cache-kib": 16},
        {"bt.adaptive": False},
        {"shadow.policy": "unsync"},
        {"bt.fence": "none"},
        {"bt.fence": "bounds", "bt.cache-kib": 16},
    ],
    ids=lambda knobs: next(iter(knobs)),
)
@pytest.mark.parametrize("seed", range(2250, 2256))
def test_it_does_so_with_every_knob(seed: int, knobs: dict[str, Any]) -> None:
    found = differences(program(seed), knobs)
    assert not found, f"seed {seed}: {found}"


@pytest.mark.soak
@pytest.mark.parametrize("first", range(10_000, 13_000, 100))
def test_thousands_of_random_kernel_programs_end_as_natively(first: int) -> None:
    for seed in range(first, first + 100):
        counted(PROGRAMS)
        found = differences(program(seed))
        assert not found, f"seed {seed}: {found}"


@pytest.mark.parametrize("name", [w.name for w in workloads.all() if "remapping" not in w.needs])
def test_a_workload_ends_as_natively(name: str) -> None:
    workload = workloads.find(name)
    native = techniques.run_guest("native", workload, "small")
    translated = techniques.run_guest("bt", workload, "small")
    assert (translated.status, translated.reason) == ("ok", "")
    if not name.startswith("isolation/ring"):  # whose devices are not there natively
        assert translated.outcome_parts == native.outcome_parts
    untried = ("isolation/foreign-frame", "isolation/into-vmm", "isolation/ring")  # natively
    if not name.startswith(untried):
        assert translated.instructions == native.instructions


@pytest.mark.parametrize(
    "name", ["kernel/fork-wait", "kernel/signal", "code/tiny-jit", "nano/callret"]
)
def test_no_unit_is_translated_twice_unless_it_was_dropped(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed: Counter[tuple[int, int]] = Counter()
    removed: Counter[tuple[int, int]] = Counter()
    place, remove = TranslationCache.place, TranslationCache.remove

    def placing(cache: TranslationCache, unit: Unit, **rest: Any) -> None:
        place(cache, unit, **rest)
        placed[id(unit.space), unit.rip] += 1

    def removing(cache: TranslationCache, unit: Unit) -> None:
        removed[id(unit.space), unit.rip] += 1
        remove(cache, unit)

    monkeypatch.setattr(TranslationCache, "place", placing)
    monkeypatch.setattr(TranslationCache, "remove", removing)
    outcome = techniques.run_guest("bt", workloads.find(name), "small")
    assert outcome.counters_total["bt.unit"] == sum(placed.values())
    assert outcome.counters_total.get("bt.invalidated", 0) == sum(removed.values())
    assert all(times <= 1 + removed[key] for key, times in placed.items())
