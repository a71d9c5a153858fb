"""Worker processes of tests can import the tasks beside this file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trapbench.pytest_plugin import trapbench  # noqa: F401 (where it is not installed)


@pytest.fixture(autouse=True)
def _importable_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)


@pytest.fixture(autouse=True)
def _no_cells_of_other_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test runs is run."""
    monkeypatch.setenv("TRAPBENCH_CACHE", "off")
