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
    work = {"roi": {"insn.alu": 9}, "total": {"insn.alu": 9}}
    counters = {"roi": {"insn.alu": 9}, "total": {"walk.reference.ept.l1": 3}}
    return Run.load(
        fill_folder("a", [replace(native, counters=work), replace(ept, counters=counters)])
    )


def test_the_first_generation_of_vt_x_skips_what_used_ept(run: Run) -> None:
    cells = run.costed_on("prescott").runs.set_index("technique")
    assert cells.loc["hvm-ept", "status"] == "skipped"
    assert "Prescott" in cells.loc["hvm-ept", "reason"]
    assert cells.loc["native", "status"] == "ok"
    assert set(run.ratios("prescott")["technique"]) == {"native"}


def test_a_preset_with_ept_skips_nothing(run: Run) -> None:
    assert run.costed_on("nehalem") is run


def test_intervals_and_winners_leave_out_what_is_skipped(run: Run) -> None:
    assert set(run.intervals("prescott")["technique"]) == {"native"}
    assert run.winners("prescott").empty
    assert run.winners("nehalem")["probability"].tolist() == [1.0]
