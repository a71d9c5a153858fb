"""Cells of the suite, each run once per session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

import techniques
import workloads
from techniques import Outcome

POLICIES = ("trace", "virtual-tlb", "unsync")
Run = Callable[..., Outcome]


@cache
def run(technique: str, workload: str, policy: str = "") -> Outcome:
    """The outcome of a cell in size small."""
    knobs = {"shadow.policy": policy} if policy else {}
    try:
        return techniques.run_guest(technique, workloads.find(workload), "small", knobs=knobs)
    except techniques.Skipped as skipped:
        pytest.skip(str(skipped))


@pytest.fixture(scope="session", name="run")
def run_fixture() -> Run:
    """`run(technique, workload, policy)`, remembered for the session."""
    return run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`workload` stands for every workload of the suite."""
    if "workload" in metafunc.fixturenames:
        metafunc.parametrize("workload", [w.name for w in workloads.all()])
    if "policy" in metafunc.fixturenames:
        metafunc.parametrize("policy", POLICIES)
