"""The table of docs/io-models.md is what the cells count."""

from __future__ import annotations

from pathlib import Path

import pytest

import techniques
import workloads

_PAGE = (Path(__file__).parents[2] / "docs" / "io-models.md").read_text("utf-8")
_TABLE = _PAGE.partition("<!-- entries:")[2].partition("-->")
TECHNIQUES = _TABLE[0].split()
ROWS = [
    [field.strip() for field in line.strip("|").split("|")]
    for line in _TABLE[2].split("\n\n")[1].splitlines()[2:]
]
_ENTRIES = ("exits", "traps", "bt.callout.emulate", "bt.callout.traced")


def test_the_table_has_every_model_of_every_workload_that_it_shows():
    assert len(ROWS) == 6 * 3
    assert {row[1] for row in ROWS} == set(techniques.io_models.NAMES)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_entries_into_the_vmm_are_those_of_the_table(row):
    name, io, *numbers = row
    workload = workloads.find(f"io/{name}")
    for technique, number in zip(TECHNIQUES, numbers, strict=True):
        if number == "–":
            with pytest.raises(techniques.Skipped):
                techniques.run_guest(technique, workload, "small", io=io)
            continue
        found = techniques.run_guest(technique, workload, "small", io=io).counters_roi
        assert sum(found.get(counter, 0) for counter in _ENTRIES) == int(number)
