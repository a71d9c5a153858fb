"""The remapping unit against an independent model, and broken units that this comparison must find."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware_model.vtd import dma_remapping
from hardware_model.vtd.caches import Cache, Iotlb
from hardware_model.vtd.dma_remapping import DmaRemapping
from hardware_model.vtd.invalidation import Caches
from hardware_model.vtd.tables import READ_WRITE, Leaf
from hardware_model.vtd.unit import RemappingUnit
from tests.hardware_model.vtd.sequences import ACTIONS, DEVICES, Life, Mismatch, Step
from tests.proofs.figures import counted

NUMBERS = st.integers(0, 255)
STEPS = st.builds(Step, st.sampled_from(ACTIONS), NUMBERS, NUMBERS, NUMBERS, NUMBERS)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_the_unit_does_what_the_reference_says(steps: list[Step]) -> None:
    life = Life()
    for device in range(len(DEVICES)):
        life.do(Step("attach", device, device))
    for step in steps:
        life.do(step)


def lives(seeds: range, length: int = 300) -> None:
    """Fixed random lives; Mismatch if any differs."""
    for seed in seeds:
        chance = random.Random(seed)
        life = Life()
        for device in range(len(DEVICES)):
            life.do(Step("attach", device, device))
        for _ in range(length):
            life.do(Step(chance.choice(ACTIONS), *(chance.randrange(256) for _ in range(4))))


def test_fixed_lives_go_as_the_reference_says() -> None:
    lives(range(40))


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 21_000, 500))
def test_thousands_of_lives_go_as_the_reference_says(first: int) -> None:
    """From seeds: Hypothesis remembers every choice of such long lists, which takes many GiB."""
    lives(range(first, first + 500), length=200)
    counted("VT-d: lives", 500)


def untagged(monkeypatch: pytest.MonkeyPatch) -> None:
    """IOTLB entries serve every domain."""
    find, fill = Iotlb.find, Iotlb.fill
    monkeypatch.setattr(Iotlb, "find", lambda self, domain, at: find(self, 0, at))
    monkeypatch.setattr(Iotlb, "fill", lambda self, domain, at, leaf: fill(self, 0, at, leaf))


def no_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page-selective invalidation drops one page only."""
    whole = Caches.invalidate_iotlb
    monkeypatch.setattr(
        Caches, "invalidate_iotlb", lambda self, g, domain, at, mask: whole(self, g, domain, at, 0)
    )


def no_global(monkeypatch: pytest.MonkeyPatch) -> None:
    """Global IOTLB invalidations are ignored."""
    whole = Caches.invalidate_iotlb
    monkeypatch.setattr(
        Caches, "invalidate_iotlb", lambda self, g, *rest: g == 1 or whole(self, g, *rest)
    )


def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page-selective invalidation drops the same page of other domains."""

    def invalidate(self: Iotlb, domain: int, address: int, pages: int) -> int:
        end = address + pages * 4096
        return self.cache.drop(
            lambda key, leaf: key[2] * key[1] < end and address < key[2] * key[1] + key[1]
        )

    monkeypatch.setattr(Iotlb, "invalidate_pages", invalidate)


def no_contexts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Domain-selective context invalidations are ignored."""
    whole = Caches.invalidate_contexts
    monkeypatch.setattr(
        Caches, "invalidate_contexts", lambda self, g, *rest: g == 2 or whole(self, g, *rest)
    )


def no_permissions_in_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cached may be read and written."""
    find = Iotlb.find

    def forgetful(self: Iotlb, domain: int, address: int) -> Leaf | None:
        held = find(self, domain, address)
        return held and Leaf(held.frame, held.size, READ_WRITE)

    monkeypatch.setattr(Iotlb, "find", forgetful)


def one_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request is translated at its first page only."""
    monkeypatch.setattr(
        RemappingUnit,
        "_places",
        lambda self, source, address, size, *, write: iter(
            [(self._place(source, address, min(size, 8), write), size)]
        ),
    )


def small_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets into large pages are cut to 12 bits."""
    whole = DmaRemapping._leaf

    def cut(self: DmaRemapping, *request: object) -> Leaf:
        leaf = whole(self, *request)  # type: ignore[arg-type]
        return Leaf(leaf.frame, 4096, leaf.permissions)

    monkeypatch.setattr(DmaRemapping, "_leaf", cut)


def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses beyond the width wrap around."""
    monkeypatch.setattr(dma_remapping, "_within", lambda address, bits, context: None)


def caches_absence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cached: no stale translation ever serves."""
    monkeypatch.setattr(Cache, "put", lambda self, key, value: False)


BROKEN: list[Callable[[pytest.MonkeyPatch], None]] = [
    untagged,
    no_mask,
    no_global,
    eager,
    no_contexts,
    no_permissions_in_cache,
    one_page,
    small_offsets,
    no_width,
    caches_absence,
]


@pytest.mark.parametrize("breaks", BROKEN, ids=lambda breaks: breaks.__name__)
def test_a_broken_unit_is_found(
    monkeypatch: pytest.MonkeyPatch, breaks: Callable[[pytest.MonkeyPatch], None]
) -> None:
    breaks(monkeypatch)
    with pytest.raises((Mismatch, AssertionError, IndexError)):
        lives(range(40))
