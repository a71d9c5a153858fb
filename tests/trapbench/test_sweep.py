"""Sweeps become points, points become cells."""

from __future__ import annotations

from pathlib import Path

import pytest

import trapbench
from results.run import Run
from trapbench import cli, planning, sweep
from trapbench.errors import SelectionError
from trapbench.selection import Selection


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("footprint=4096,8192", ["4096", "8192"]),
        ("footprint=4Ki..32Ki*2", ["4096", "8192", "16384", "32768"]),
        ("rounds=10..25+5", ["10", "15", "20", "25"]),
        ("shadow.policy=trace,unsync", ["trace", "unsync"]),
    ],
)
def test_values_and_series(text: str, values: list[str]) -> None:
    assert sweep.parse([text]) == {text.partition("=")[0]: values}


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["footprint"], "is not of the form NAME=VALUE"),
        (["a=1", "a=2"], "given twice"),
        (["a=9..90*1"], "does not rise"),
        (["a=0..90*2"], "does not rise"),
        (["a=x..90*2"], "'x' is not a number"),
        (["a=1..9999999+1"], "more than 100,000 values"),
    ],
)
def test_what_cannot_be_swept_is_one_sentence(texts: list[str], sentence: str) -> None:
    with pytest.raises(SelectionError, match=sentence):
        sweep.parse(texts)


def _cells(**selection: object) -> list[tuple[str, str, str]]:
    plan = planning.plan(Selection(**selection))  # type: ignore[arg-type]
    return [(p.cell.technique, p.cell.size, p.cell.knobs) for p in plan]


def test_a_parameter_is_part_of_the_size_so_that_native_has_it_too() -> None:
    cells = _cells(
        techniques=["hvm-ept"],
        workloads=["memory/pointer-chase"],
        sweeps={"footprint": ["64Ki", "0x20000"]},
    )
    assert cells == [
        ("hvm-ept", "small,footprint=131072", "{}"),
        ("native", "small,footprint=131072", "{}"),
        ("hvm-ept", "small,footprint=65536", "{}"),
        ("native", "small,footprint=65536", "{}"),
    ]


def test_a_knob_is_swept_once_for_a_technique_that_lacks_it() -> None:
    cells = _cells(
        techniques=["hvm-ept", "hvm-shadow"],
        workloads=["nano/in"],
        sweeps={"shadow.policy": ["trace", "unsync"]},
    )
    assert [cell for cell in cells if cell[0] == "hvm-ept"] == [("hvm-ept", "small", "{}")]
    assert len([cell for cell in cells if cell[0] == "hvm-shadow"]) == 2


def test_sweeps_combine() -> None:
    cells = _cells(
        techniques=["native"],
        workloads=["memory/pointer-chase"],
        sweeps={"footprint": ["64Ki", "1Mi"], "size": ["small", "standard"]},
    )
    assert sorted({size for _, size, _ in cells}) == [
        f"{size},footprint={value}" for size in ("small", "standard") for value in (1048576, 65536)
    ]


def test_a_name_that_is_nothing_is_named() -> None:
    with pytest.raises(
        SelectionError, match="unknown knob or parameter 'footprnt'; did you mean footprint"
    ):
        _cells(
            techniques=["native"], workloads=["memory/pointer-chase"], sweeps={"footprnt": ["1"]}
        )


def test_a_footprint_sweep_shows_where_walks_begin(tmp_path: Path) -> None:
    arguments = ["run", "--technique", "hvm-ept", "--workload", "memory/pointer-chase"]
    arguments += ["--sweep", "footprint=64Ki,4Mi", "--sweep", "rounds=100", "--jobs", "1"]
    assert cli.invoke([*arguments, "--out", str(tmp_path / "a")]) == 0
    run = Run.load(tmp_path / "a")
    counters = run.counters[(run.counters["counter"] == "walk") & (run.counters["scope"] == "roi")]
    walks = counters[counters["technique"] == "hvm-ept"].set_index("size")["value"]
    assert walks.get("small,footprint=65536,rounds=100", 0) < 10
    assert walks["small,footprint=4194304,rounds=100"] >= 500
    assert (
        run.manifest.parameters["memory/pointer-chase small,footprint=65536,rounds=100"][
            "footprint"
        ]
        == 65536
    )


def test_sweeps_from_python(tmp_path: Path) -> None:
    run = trapbench.run(
        ["native"],
        ["memory/pointer-chase"],
        sweeps={"footprint": [65536], "rounds": [1, 2]},
        jobs=1,
        out=tmp_path / "a",
    )
    assert run.runs["size"].tolist() == [f"small,footprint=65536,rounds={n}" for n in (1, 2)]
    assert (run.runs["status"] == "ok").all()
