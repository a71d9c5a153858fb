"""A preset without EPT skips the cells that used EPT, and says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from results.finished import Finished
from results.run import Run


@pytest.fixture
def run(native: Finished, ept: Finished, fill_folder: Callable[..., Path]) -> Run:
    counters = {"roi": {"instructions": 9}, "total": {"walk.reference.ept.l1": 3}}
    return Run.load(fill_folder("a", [native, replace(ept, counters=counters)]))


def test_the_first_generation_of_vt_x_skips_what_used_ept(run: Run) -> None:
    cells = run.costed_on("prescott").runs.set_index("technique")
    assert cells.loc["hvm-ept", "status"] == "skipped"
    assert "Prescott" in cells.loc["hvm-ept", "reason"]
    assert cells.loc["native", "status"] == "ok"
    assert set(run.ratios("prescott")["technique"]) == {"native"}


def test_a_preset_with_ept_skips_nothing(run: Run) -> None:
    assert run.costed_on("nehalem") is run
