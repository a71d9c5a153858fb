"""What `trapbench advise` computes, on cells that really ran."""

from __future__ import annotations

from pathlib import Path

import pytest

import trapbench
from hardware_model import presets
from results.advice import overhead, profile
from results.advice.activities import ACTIVITIES
from results.errors import ResultsError
from results.run import Run

RATES = {"system-calls": 50_000.0, "interrupts": 2_000.0}
NEHALEM = presets.load("nehalem")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trapbench.run(
        ["native", "bt", "pv", "hvm-ept", "hvm-shadow"],
        ["kernel/null-call", "exit/self-ipi", "exit/mmio"],
        jobs=1,
        out=tmp_path_factory.mktemp("advice") / "run",
    )


def verdicts(run: Run, rates: dict[str, float], preset=NEHALEM) -> dict[str, overhead.Verdict]:
    found = overhead.verdicts(overhead.Observed(run, rates, preset), preset)
    return {verdict.technique: verdict for verdict in found}


def test_twice_the_rates_take_twice_the_processor_time(run):
    once, twice = (verdicts(run, {k: f * v for k, v in RATES.items()}) for f in (1, 2))
    for name, verdict in once.items():
        assert twice[name].share == pytest.approx(2 * verdict.share)
        assert verdict.share == pytest.approx(sum(verdict.parts.values()))


def test_an_overhead_is_what_the_cells_cycles_say(run):
    ratios = run.ratios("nehalem").set_index(["workload", "technique"])
    cell = ratios.loc["kernel/null-call", "bt"]
    extra = (cell["cycles"] - cell["native"]) / 4000  # the small size makes 4,000 calls
    share = verdicts(run, {"system-calls": 1000.0})["bt"].share
    assert share == pytest.approx(1000 * extra / NEHALEM.frequency.value)


def test_probabilities_of_being_the_best_add_up(run):
    assert sum(v.probability for v in verdicts(run, RATES).values()) == pytest.approx(1)


def test_at_a_turn_the_other_technique_is_as_good_as_the_best(run):
    observed = overhead.Observed(run, RATES, NEHALEM)
    ranked = overhead.verdicts(observed, NEHALEM)
    turns = overhead.turns(observed, NEHALEM, ranked)
    assert turns
    for turn in turns:
        there = verdicts(run, RATES | {turn.activity: turn.rate})
        assert there[turn.technique].share == pytest.approx(there[ranked[0].technique].share)


def test_a_technique_that_cannot_run_an_activity_has_no_figure_but_a_reason(run):
    found = verdicts(run, {"register-accesses": 10.0})
    assert "exit/mmio is skipped" in found["pv"].missing
    assert found["hvm-ept"].share > 0


def test_a_generation_without_ept_has_no_figure_for_it(run):
    found = verdicts(run, RATES, presets.load("prescott"))
    assert "does not have" in found["hvm-ept"].missing


def test_cells_that_are_missing_are_asked_for_by_name(run):
    with pytest.raises(ResultsError, match="run `trapbench run --workload kernel/page-fault`"):
        verdicts(run, {"page-faults": 1.0})


def test_every_activity_names_a_workload_of_the_suite_and_real_counters():
    import workloads
    from hardware_model.counters import COUNTERS

    names = {w.name for w in workloads.all()}
    assert {a.workload for a in ACTIVITIES} <= names
    assert {c for a in ACTIVITIES for c in a.counters} <= {c.name for c in COUNTERS}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rates = 3", "rates is not a table"),
        ("[rates]\nsystem-cals = 3", "did you mean system-calls"),
        ("[rates]\nsystem-calls = -3", "not a number of events"),
        ("[rates]\nsystem-calls = true", "not a number of events"),
        ("[speeds]\nx = 1", "a profile has"),
        ("[rates", "is no TOML"),
        ("[rates]\nsystem-calls = 0", "nothing to advise on"),
        ("[memory]\nfootprint = '1Mi'", "nothing to advise on"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused_in_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises(ResultsError, match=sentence) as caught:
        profile.read(path)
    assert str(path) in str(caught.value)


def test_exits_of_a_host_add_to_the_rates_that_they_stand_for(tmp_path: Path):
    path = tmp_path / "profile.toml"
    path.write_text("[rates]\nport-accesses = 5\n[exits]\nIO_INSTRUCTION = 7\nHLT = 2\n")
    assert profile.read(path) == {"port-accesses": 12.0, "idle-wakeups": 2.0}


def test_every_activity_happens_in_its_native_cell(tmp_path: Path):
    workloads = sorted({activity.workload for activity in ACTIVITIES})
    native = trapbench.run(["native"], workloads, jobs=1, out=tmp_path / "native")
    roi = native.counters[native.counters["scope"] == "roi"]
    for activity in ACTIVITIES:
        of_cell = roi[
            (roi["workload"] == activity.workload) & roi["counter"].isin(activity.counters)
        ]
        assert of_cell["value"].sum() >= 64, activity.name
