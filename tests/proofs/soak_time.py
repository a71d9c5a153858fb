"""A soak that ends in a stated time: SOAK_MINUTES in the environment; without it every long test runs to its end.

The cases of the long tests come in rounds, the first of each test before the second of any, and none begins when the time
is over: what it leaves out is reported as skipped.
"""

from __future__ import annotations

import os
import time
from collections import Counter

import pytest

VARIABLE = "SOAK_MINUTES"
_BEGAN = time.monotonic()


def minutes() -> float | None:
    """How long the soak may begin new cases; None: as long as it takes."""
    text = os.environ.get(VARIABLE, "")
    return float(text) if text else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the items in rounds."""
    if minutes() is None:
        return
    seen: Counter[str] = Counter()
    rounds = []
    for item in items:
        name = item.nodeid.partition("[")[0]
        rounds.append((seen[name], len(rounds), item))
        seen[name] += 1
    items[:] = [item for *_, item in sorted(rounds, key=lambda place: place[:2])]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Begin no long test when the time is over."""
    limit = minutes()
    over = limit is not None and time.monotonic() - _BEGAN > 60 * limit
    if over and item.get_closest_marker("soak"):
        pytest.skip(f"the {limit:g} minutes of this soak are over")
