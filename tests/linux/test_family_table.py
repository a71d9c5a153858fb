"""The family's table in docs/linux.md is what its cells give, in the long form: five boots for each row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import workloads
from results import tables
from results.run import Run
from tests.linux.documented_boot import PAGE
from trapbench.cli import invoke

TECHNIQUES = ("bt", "hvm-ept", "hvm-shadow", "pv")
CELL = r"([\d.]+) \([\d,]+\)"
ROW = re.compile(
    rf"^\| `(linux/[\w@-]+)` \| [\d,]+ \| {CELL} \| {CELL} \| {CELL} \| {CELL} \|$", re.MULTILINE
)
ROWS = {name: tuple(map(float, ratios)) for name, *ratios in ROW.findall(PAGE.read_text("utf-8"))}
MODELLED = ("linux/disk", "linux/network")
"""Programs with devices, which have a table of their own, by I/O model."""


def test_every_program_of_the_family_has_its_row() -> None:
    """Of variants some: those that the page leaves out differ in size only."""
    family = {w.name for w in workloads.linux() if not w.name.startswith(MODELLED)}
    assert set(ROWS) <= family
    assert {name for name in family if "@" not in name} <= set(ROWS)


@pytest.mark.soak
@pytest.mark.parametrize("workload", sorted(ROWS))
def test_the_ratios_are_those_of_a_run(workload: str, tmp_path: Path) -> None:
    asked = [w for t in ("native", *TECHNIQUES) for w in ("--technique", t)]
    out = str(tmp_path / "run")
    assert invoke(["run", "--workload", workload, *asked, "--jobs", "1", "--out", out]) == 0
    ratios = tables.ratios(Run.load(out), "nehalem").loc[workload]
    assert [ratios[t] for t in TECHNIQUES] == pytest.approx(ROWS[workload], rel=0.03)
