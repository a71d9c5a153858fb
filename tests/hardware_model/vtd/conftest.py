"""A remapping unit with one domain."""

from __future__ import annotations

import pytest

from tests.hardware_model.vtd.bench import DEVICE, Bench


@pytest.fixture
def bench() -> Bench:
    """The unit after reset."""
    return Bench()


@pytest.fixture
def domain(bench: Bench) -> int:
    """Translation on, DEVICE in domain 5 with empty 4-level tables; the tables' root."""
    root = bench.table()
    bench.attach(DEVICE, 5, root)
    bench.start()
    return root
