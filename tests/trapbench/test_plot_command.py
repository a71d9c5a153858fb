"""`trapbench plot` writes pictures, and says what a run lacks."""

from __future__ import annotations

from pathlib import Path

import pytest

import trapbench
from trapbench import cli


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plots") / "run"
    trapbench.run(["hvm-ept", "hvm-shadow"], ["nano/ptemod-np-to-p"], jobs=1, out=out)
    return out


def test_pictures_are_written_beside_the_tables(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.invoke(["plot", str(folder), "--only", "overhead", "--only", "crossovers"]) == 0
    assert [path.name for path in (folder / "plots").iterdir()] == ["overhead-nano.png"]
    assert (folder / "plots" / "overhead-nano.png").read_bytes().startswith(b"\x89PNG")
    told = capfd.readouterr().out
    assert f"overhead: {folder}/plots/overhead-nano.png\n" in told
    assert "crossovers: nothing to draw: needs workloads run under bt or pv" in told


def test_an_svg_goes_where_it_is_asked_for(folder: Path, tmp_path: Path) -> None:
    arguments = ["plot", str(folder), "--only", "exits", "--format", "svg", "--out", str(tmp_path)]
    assert cli.invoke(arguments) == 0
    assert (tmp_path / "exits-hvm-shadow.svg").read_text().count("<svg") == 1


def test_an_unknown_plot_is_named(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.invoke(["plot", str(folder), "--only", "overhed"]) == 2
    assert "unknown plot 'overhed'; did you mean overhead?" in capfd.readouterr().err
