"""The table of docs/linux.md is what a boot counts, where the kernel is the one that the page names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workloads.linux import kernels

PAGE = Path(__file__).parents[2] / "docs" / "linux.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| ([\d,]+) \| ([^|]+) \| [^|]+ \| ([\d,]+) \|", re.MULTILINE)
COUNTERS = {"exits": "exits", "callouts": "bt.callout", "traps": "traps"}
ROWS = {
    technique: (instructions, entries, references)
    for technique, instructions, entries, references in ROW.findall(PAGE.read_text())
}


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def test_the_table_has_all_five_techniques() -> None:
    assert set(ROWS) == {"native", "hvm-ept", "hvm-shadow", "bt", "pv"}


@pytest.mark.parametrize("technique", ["native", "hvm-ept", "hvm-shadow", "bt"])
def test_the_page_counts_what_a_boot_counts(boot, technique: str) -> None:
    default = kernels.default()
    assert default is not None
    if f"Debian's {default.parent.name} (`vmlinux`)" not in PAGE.read_text():
        pytest.skip(f"the page is about another kernel than {default.parent.name}")
    instructions, entries, references = ROWS[technique]
    outcome = boot(technique)
    assert outcome.instructions == _number(instructions)
    assert outcome.counters_total["walk.reference"] == _number(references)
    for number, name in re.findall(r"([\d,]+) (exits|callouts|traps)", entries):
        assert outcome.counters_total[COUNTERS[name]] == _number(number)
