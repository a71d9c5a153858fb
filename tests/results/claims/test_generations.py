"""The generational story, from one run's counters on every preset."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import trapbench
from hardware_model import presets
from results.claims.evidence import GENERATIONS
from results.run import Run

PAGE_TABLE_WORK = ("kernel/fork-wait", "memory/page-table-churn", "kernel/page-fault")
KERNEL = (*PAGE_TABLE_WORK, "kernel/null-call", "kernel/context-switch")
CHASES = {
    "64k": "memory/pointer-chase@64k",
    "1m": "memory/pointer-chase",
    "2m": "memory/pointer-chase@2m",
    "4m": "memory/pointer-chase@4m",
}
WITH_EPT = GENERATIONS[GENERATIONS.index("nehalem") :]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("generations") / "run"
    techniques = ["native", "bt", "hvm-shadow", "hvm-ept"]
    return trapbench.run(techniques, [*KERNEL, *CHASES.values()], out=out, jobs=1)


def ratios(run: Run, preset: str) -> pd.DataFrame:
    return run.ratios(preset).pivot(index="workload", columns="technique", values="ratio")


@pytest.mark.parametrize("workload", PAGE_TABLE_WORK)
def test_on_prescott_hardware_assistance_loses_to_translation_where_page_tables_change(
    run: Run, workload: str
) -> None:
    row = ratios(run, "prescott").loc[workload]
    assert row["hvm-shadow"] > 1.3 * row["bt"]


def test_on_prescott_hardware_assistance_wins_where_the_guest_only_calls_its_kernel(
    run: Run,
) -> None:
    row = ratios(run, "prescott").loc["kernel/null-call"]
    assert row["hvm-shadow"] < 1.1 < row["bt"]


def test_on_first_generations_cells_with_ept_are_skipped_with_the_reason(run: Run) -> None:
    for preset in ("prescott", "merom", "penryn"):
        cells = run.costed_on(preset).runs
        skipped = cells[cells["technique"] == "hvm-ept"]
        assert set(skipped["status"]) == {"skipped"}
        assert skipped["reason"].str.contains("used EPT, which").all()


@pytest.mark.parametrize("preset", WITH_EPT)
@pytest.mark.parametrize("workload", KERNEL)
def test_from_nehalem_on_ept_approaches_native_in_the_kernel(
    run: Run, preset: str, workload: str
) -> None:
    assert ratios(run, preset).loc[workload, "hvm-ept"] < 1.25


@pytest.mark.parametrize("preset", WITH_EPT)
def test_beyond_the_reach_of_the_tlb_ept_loses_to_shadow_paging(run: Run, preset: str) -> None:
    table = ratios(run, preset)
    relative = {
        size: table.loc[w, "hvm-ept"] / table.loc[w, "hvm-shadow"] for size, w in CHASES.items()
    }
    assert relative["64k"] < 1.01
    assert relative["1m"] < 1.01
    assert relative["2m"] > 1.01 or relative["4m"] > 1.5
    assert relative["4m"] > 1.5


def test_a_changed_cost_changes_no_counter(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    cost = 'value = 9000, low = 9000, high = 9000, unit = "cycles", kind = "estimated"'
    own.write_text(
        f'base = "nehalem"\n[costs]\nvmx.round_trip = {{ {cost}, source = "ESTIMATE: a test" }}\n'
    )
    out = tmp_path / "run"
    again = trapbench.run(
        ["native", "hvm-shadow"], ["kernel/null-call"], geometry=str(own), out=out, jobs=1
    )
    keys = ["workload", "technique", "scope", "counter"]
    before = run.counters.set_index(keys)["value"]
    after = again.counters.set_index(keys)["value"]
    assert after.equals(before.loc[after.index])
    slower = again.ratios(own).set_index("technique")["ratio"]
    assert (
        slower["hvm-shadow"] > again.ratios("nehalem").set_index("technique")["ratio"]["hvm-shadow"]
    )
    assert presets.digest(own) != presets.digest("nehalem")
