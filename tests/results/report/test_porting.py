"""The report of a run with pv says what porting the kernel took, as the porting ledger counts it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import trapbench
from trapbench import cli
from workloads.porting_ledger import ledger

_COLUMNS = [
    f"{kernel}_{unit}"
    for unit in ("lines", "instructions", "bytes")
    for kernel in ("native", "ported")
]


def _report(out: Path, technique: str) -> str:
    trapbench.run([technique], ["kernel/null-call"], jobs=1, out=out)
    assert cli.invoke(["report", str(out)]) == 0
    return (out / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The section on porting in the report of a run with pv."""
    text = _report(tmp_path_factory.mktemp("ported") / "run", "pv")
    assert '<a href="#porting">' in text
    found = re.search(r'<section id="porting">.*?</section>', text, re.DOTALL)
    assert found is not None
    return found[0]


def test_the_table_holds_the_numbers_of_the_ledger(section: str) -> None:
    rows = [
        re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", section)
    ]
    expected = [
        [str(row["category"]), *(f"{row[column]:,}" for column in _COLUMNS)]
        for row in ledger().rows()
    ]
    assert [row for row in rows if row] == expected
    headings = re.findall(r'<button type="button">(.*?)</button>', section)
    assert headings == ["category", *(column.replace("_", ": ") for column in _COLUMNS)]


def test_the_text_tells_how_much_the_kernels_share(section: str) -> None:
    assert f"{ledger().shared_lines:,} source lines are in both" in section


def test_a_run_without_pv_says_nothing_of_porting(tmp_path: Path) -> None:
    text = _report(tmp_path / "run", "hvm-ept")
    assert 'id="porting"' not in text and "#porting" not in text
