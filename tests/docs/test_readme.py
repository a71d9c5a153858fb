"""The finding of the README has the numbers that a run gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import trapbench
from results.run import Run

_ROW = re.compile(r"^\| `(\S+)` \| (.*) \| ([\d.]+) \| ([\d.]+) \|$", re.MULTILINE)
_EXITS = re.compile(r"([\d,]+) exits with shadow paging, (\d+) with EPT")
_TECHNIQUES = ("hvm-shadow", "hvm-ept")
ROWS = _ROW.findall((Path(__file__).parents[2] / "README.md").read_text("utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    workloads = [workload for workload, *_ in ROWS]
    return trapbench.run(_TECHNIQUES, workloads, jobs=1, out=tmp_path_factory.mktemp("run") / "a")


def test_there_is_a_finding() -> None:
    assert len(ROWS) == 3


@pytest.mark.parametrize(("workload", "why", "shadow", "ept"), ROWS)
def test_its_numbers_are_those_of_a_run(
    run: Run, workload: str, why: str, shadow: str, ept: str
) -> None:
    ratios = run.ratios("nehalem").set_index(["workload", "technique"])["ratio"]
    assert [f"{ratios[workload, name]:.3g}" for name in _TECHNIQUES] == [
        f"{float(number):.3g}" for number in (shadow, ept)
    ]
    if said := _EXITS.search(why):
        roi = run.counters[(run.counters["scope"] == "roi") & (run.counters["counter"] == "exits")]
        exits = roi.set_index(["workload", "technique"])["value"]
        counted = [int(exits[workload, name]) for name in _TECHNIQUES]
        assert counted == [int(number.replace(",", "")) for number in said.groups()]
