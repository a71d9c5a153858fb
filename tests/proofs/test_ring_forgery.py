"""A guest whose shared rings say anything harms neither the process that runs it nor another VM, and ends."""

from __future__ import annotations

import pytest

from techniques.isolation.believing import believe
from techniques.technique import Technique
from tests.proofs import ring_forgery
from tests.proofs.figures import counted
from tests.proofs.watched_process import watch

MOST_GROWTH_MIB = 48  # of a process, whatever its guests' rings say


def forge(first: int, count: int) -> None:
    came_to = watch(ring_forgery.__name__, first, count, MOST_GROWTH_MIB)
    assert came_to["refused"] > count // 4  # what is forged is looked at
    counted("ring forgery: guests", count)
    counted("ring forgery: refusals", came_to["refused"])
    counted("ring forgery: forged requests and words", came_to["forged"])


def test_forged_rings_harm_nobody() -> None:
    forge(0, 40)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 5000, 200))
def test_thousands_of_guests_with_forged_rings_harm_nobody(first: int) -> None:
    forge(first, 200)


def test_a_back_end_that_believes_its_ring_is_caught() -> None:
    """Its own array, of which it runs over the end, and the frames that a grant names, lie in another VM's memory."""

    def first(guest: Technique) -> None:
        believe(guest, guest.memory.base + guest.memory.size + ring_forgery.OTHER_BYTES // 2)

    with pytest.raises(AssertionError, match="another VM's memory changed"):
        for seed in range(100):
            ring_forgery.run(seed, first)
