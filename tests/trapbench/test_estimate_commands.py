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


def test_sensitivity_ranks_costs_over_all_cells(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke(["sensitivity", str(folder), "--json", "--top", "3"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 3
    assert rows[0]["mean"] >= rows[1]["mean"] >= rows[2]["mean"] > 0


def test_a_tornado_is_of_two_techniques_on_one_workload(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["sensitivity", str(folder), "--between", "hvm-shadow", "native"]
    assert cli.invoke([*arguments, "--workload", "nano/pgfault"]) == 0
    assert "vmm.exit_dispatch" in capsys.readouterr().out
    assert cli.invoke(arguments) == 2
    assert "name it with --workload; there are 2" in capsys.readouterr().err


def test_intervals_hold_the_ratios(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["show", str(folder), "--by", "interval"]) == 0
    assert "90 % intervals" in capsys.readouterr().out


def test_a_host_s_figures_stand_beside_the_model_s(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "host.csv"
    report.write_text("name,value\nexits,100\nio_exits,60\nhalt_wait_ns,7\n")
    arguments = ["compare-host", str(report), str(folder), "--technique", "hvm-ept", "--json"]
    assert cli.invoke(arguments) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["io_exits"]["host_share"] == 0.6
    assert rows["io_exits"]["model"] == 2000
    assert rows["halt_wait_ns"]["note"] == "a time"


def test_a_preset_of_one_s_own_overrides_what_it_names(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.toml"
    cost = 'value = 1, low = 1, high = 1, unit = "cycles", kind = "estimated"'
    own.write_text(
        f'base = "nehalem"\n[costs]\nvmm.exit_dispatch = {{ {cost}, source = "ESTIMATE: mine" }}\n'
    )
    assert cli.invoke(["crossover", str(folder), "--vary", "vmm.exit_dispatch", "--json"]) == 0
    stock = {r["workload"]: r["factor"] for r in json.loads(capsys.readouterr().out)}
    arguments = ["crossover", str(folder), "--vary", "vmm.exit_dispatch", "--preset", str(own)]
    assert cli.invoke([*arguments, "--json"]) == 0
    mine = {r["workload"]: r["factor"] for r in json.loads(capsys.readouterr().out)}
    for workload, factor in stock.items():
        if factor is not None:
            assert mine[workload] == pytest.approx(450 * factor)


def test_hardware_paging_takes_less_code_than_shadow_paging() -> None:
    assert 0 < code_size.lines("hvm-ept") < code_size.lines("hvm-shadow") < code_size.lines("bt")
