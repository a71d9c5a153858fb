"""The table of boots in docs/linux.md, and what a boot must count to be its row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from techniques import Outcome
from workloads.linux import kernels

PAGE = Path(__file__).parents[2] / "docs" / "linux.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| ([\d,]+) \| ([^|]+) \| [^|]+ \| ([\d,]+) \|", re.MULTILINE)
COUNTERS = {
    "exits": "exits",
    "callouts": "bt.callout",
    "traps": "traps",
    "hypercalls": "hypercall.entries",
    "emulated instructions": "trap.emulated",
}
ROWS = {
    technique: (instructions, entries, references)
    for technique, instructions, entries, references in ROW.findall(PAGE.read_text())
}


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def check_row(technique: str, outcome: Outcome) -> None:
    """A boot's counters are those of its row; skipped if the page is about another kernel."""
    default = kernels.default()
    assert default is not None
    if f"Debian's {default.parent.name} (`vmlinux`)" not in PAGE.read_text():
        pytest.skip(f"the page is about another kernel than {default.parent.name}")
    instructions, entries, references = ROWS[technique]
    assert outcome.instructions == _number(instructions)
    assert outcome.counters_total["walk.reference"] == _number(references)
    found = re.findall(rf"([\d,]+) ({'|'.join(COUNTERS)})", entries)
    assert bool(found) == (technique != "native")
    for number, name in found:
        assert outcome.counters_total[COUNTERS[name]] == _number(number)
