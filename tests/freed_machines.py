"""Machines of tests that have ended are freed: they refer to themselves, and Python's collector counts objects, not bytes.

What collecting the tests left is set aside, so that a collection looks only at what tests made since.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from pathlib import Path

import pytest

GROWTH_BYTES = 64 << 20
_STATM = Path("/proc/self/statm")
_PAGE = 4096
_level = 0


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * _PAGE


def pytest_collection_finish() -> None:
    """Set aside what is there before the first test; the next collection learns how little is left to look at."""
    gc.collect()
    gc.freeze()
    gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    """Collect when the process has grown by `GROWTH_BYTES` since the last time."""
    global _level  # noqa: PLW0603
    done = yield
    if _resident() > _level + GROWTH_BYTES:
        gc.collect()
        _level = _resident()
    return done
