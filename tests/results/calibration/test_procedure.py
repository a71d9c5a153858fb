"""The presets of the package are what the procedure gives, and only calibrate.csv sets them."""

from __future__ import annotations

from pathlib import Path

import pytest

import trapbench
from hardware_model import presets
from hardware_model.cost_table import KEYS
from results import published
from results.calibration import preset_text
from results.calibration.cores import CORES
from results.calibration.figures import Figures
from results.calibration.procedure import Procedure
from results.errors import ResultsError

NANO = ("nano/callret", "nano/in", "nano/ptemod-unchanged")


@pytest.fixture(scope="module")
def procedure(tmp_path_factory: pytest.TempPathFactory) -> Procedure:
    out = tmp_path_factory.mktemp("nano") / "run"
    techniques = ["native", "bt", "hvm-shadow"]
    run = trapbench.run(techniques, NANO, size="standard", geometry="prescott", out=out, jobs=1)
    return Procedure(run)


@pytest.mark.parametrize("name", CORES)
def test_the_stored_costs_are_those_of_the_procedure(procedure: Procedure, name: str) -> None:
    stored, given = presets.load(name).costs, procedure.costs(name)
    assert stored.keys() == given.keys()
    for key, cost in given.items():
        assert stored[key].value == pytest.approx(cost.value, rel=0.02), key
        assert stored[key].kind == cost.kind, key


@pytest.mark.parametrize("name", CORES)
def test_a_number_that_is_not_estimated_names_a_row_of_calibrate(name: str) -> None:
    sources = set(published.calibration()["source_id"])
    for key, cost in presets.load(name).costs.items():
        if cost.kind != "estimated":
            assert cost.source.partition(":")[0] in sources, key


def test_the_written_text_reads_back(procedure: Procedure, tmp_path: Path) -> None:
    source = Path(presets.__file__).with_suffix("") / "prescott.toml"
    path = tmp_path / "again.toml"
    path.write_text(preset_text.with_costs(source.read_text("utf-8"), procedure.costs("prescott")))
    again = presets.load(path)
    assert set(again.costs) <= set(KEYS)
    assert again.costs["vmx.vmread"].value == 178


def test_writing_twice_changes_nothing(procedure: Procedure) -> None:
    costs = procedure.costs("merom")
    once = preset_text.with_costs("a = 1\n\n[costs]\n", costs)
    assert preset_text.with_costs(once, costs) == once


def test_a_row_that_is_not_there_is_named() -> None:
    with pytest.raises(ResultsError, match="0 rows of the published figures are MINE"):
        Figures(published.calibration()).find("MINE", "here", "nothing")
