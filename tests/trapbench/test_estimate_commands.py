"""`validate`, `crossover` and `claims` read a folder and print tables or JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import trapbench
from trapbench import cli, code_size


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("estimates") / "run"
    trapbench.run(["native", "hvm-shadow", "hvm-ept"], ["nano/in", "nano/pgfault"], out=out, jobs=1)
    return out


def test_validate_tells_how_many_orderings_came_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke(["validate", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "of 80 rows predicted; orderings reproduced: 1 of 1" in printed
    assert "cannot run" in printed


def test_validate_gives_every_row_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["validate", str(folder), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 80


def test_crossover_solves_for_a_cost(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["crossover", str(folder), "--vary", "vmx.round_trip", "--json"]
    assert cli.invoke(arguments) == 0
    rows = {row["workload"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["nano/pgfault"]["now"] == "hvm-ept"


def test_crossover_on_a_preset_without_ept_has_no_pair(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["crossover", str(folder), "--vary", "vmx.*", "--preset", "prescott", "--json"]
    assert cli.invoke(arguments) == 0
    rows = json.loads(capsys.readouterr().out)
    assert not [row for row in rows if "hvm-ept" in (row["first"], row["second"])]


def test_an_unknown_cost_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["crossover", str(folder), "--vary", "vmx.roundtrip"]) == 2
    assert "vmx.roundtrip is no cost of the cost table" in capsys.readouterr().err


def test_claims_are_nine(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["claims", str(folder), "--json"]) == 0
    assert [row["claim"] for row in json.loads(capsys.readouterr().out)] == list(range(1, 10))


def test_hardware_paging_takes_less_code_than_shadow_paging() -> None:
    assert 0 < code_size.lines("hvm-ept") < code_size.lines("hvm-shadow") < code_size.lines("bt")
