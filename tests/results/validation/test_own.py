"""A user's own rows name their experiment, and are checked when they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from results.errors import ResultsError
from results.validation import own

HEADER = (
    "source_id,citation,year,cpu,microarchitecture,benchmark,technique,metric,value,unit,"
    "workload,preset,operation,events\n"
)
MINE = "MINE,me,2024,a laptop,Skylake,null call,"


def table(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "own.csv"
    path.write_text(HEADER + "\n".join(MINE + row for row in rows) + "\n", "utf-8")
    return path


def test_a_row_is_compared_by_the_workload_that_it_names(tmp_path: Path) -> None:
    path = table(tmp_path, "hvm-ept,latency,120,ns,kernel/null-call,skylake-sp,insn.syscall,1")
    row = own.read(path).iloc[0].to_dict()
    experiment = own.experiment(row)
    assert experiment is not None
    assert experiment.workloads == ("kernel/null-call",)
    assert (experiment.quantity, experiment.preset) == ("latency", "skylake-sp")
    assert experiment.clock > 1e9


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    row = own.read(table(tmp_path, "hvm-ept,slowdown,1.2,x,kernel/pipe,,,")).iloc[0].to_dict()
    experiment = own.experiment(row)
    assert experiment is not None
    assert (experiment.quantity, experiment.preset, experiment.events) == (
        *("times native", "nehalem", 1),
    )


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("bt,latency,1,weeks,nano/in,,insn.in,", "row 2: the unit 'weeks' is none of cycles"),
        ("bt,latency,1,cycles,nano/in,,insn.inn,", "row 2: operation is 'insn.inn'"),
        ("bt,latency,1,cycles,nano/in,,insn.in,two", "row 2: events is 'two', not a number"),
        (
            "bt,latency,1,cycles,nano/in,,insn.in,nan",
            "row 2: events is 'nan', not a number above 0",
        ),
        ("bt,latency,much,cycles,nano/in,,insn.in,1", "row 2: value is not a number"),
        (",latency,1,cycles,nano/in,,insn.in,1", "row 2: technique is empty"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_the_row(
    tmp_path: Path, row: str, sentence: str
) -> None:
    with pytest.raises(ResultsError, match=sentence):
        own.read(table(tmp_path, row))
