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


class Translations:
    """How often each unit of each address space was made, and how often it was dropped."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.made: Counter[tuple[int, int]] = Counter()
        self.dropped: Counter[tuple[int, int]] = Counter()
        self._spaces: list[object] = []  # kept, so that none takes another's identity
        place, remove = TranslationCache.place, TranslationCache.remove
        flush = TranslationCache.flush

        def placing(cache: TranslationCache, unit: Unit, **rest: Any) -> None:
            place(cache, unit, **rest)
            if unit.space is not None:  # others are run once
                self._spaces.append(unit.space)
                self.made[id(unit.space), unit.rip] += 1

        def removing(cache: TranslationCache, unit: Unit) -> None:
            self.dropped[id(unit.space), unit.rip] += 1
            remove(cache, unit)

        def flushing(cache: TranslationCache) -> None:
            self.dropped.update(
                (id(u.space), u.rip) for space in cache.spaces for u in space.units.values()
            )
            flush(cache)

        patch.setattr(TranslationCache, "place", placing)
        patch.setattr(TranslationCache, "remove", removing)
        patch.setattr(TranslationCache, "flush", flushing)


@pytest.mark.parametrize("name", [w.name for w in workloads.all() if "remapping" not in w.needs])
def test_a_workload_ends_as_natively_and_no_unit_is_translated_twice_unless_it_was_dropped(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workload = workloads.find(name)
    native = techniques.run_guest("native", workload, "small")
    units = Translations(monkeypatch)
    translated = techniques.run_guest("bt", workload, "small")
    assert (translated.status, translated.reason) == ("ok", "")
    if not name.startswith("isolation/ring"):  # whose devices are not there natively
        assert translated.outcome_parts == native.outcome_parts
    untried = ("isolation/foreign-frame", "isolation/into-vmm", "isolation/ring")  # natively
    if not name.startswith(untried):
        assert translated.instructions == native.instructions
    assert units.made
    assert all(times <= 1 + units.dropped[key] for key, times in units.made.items())
    total = translated.counters_total
    if not total.get("bt.flush", 0) and not name.startswith(
        "isolation/"
    ):  # where a victim runs beside
        assert sum(units.made.values()) <= total["bt.unit"]
        assert sum(units.dropped.values()) == total.get("bt.invalidated", 0)
