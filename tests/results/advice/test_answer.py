"""The answer in words, what a profile leaves unsaid, and a host's measured exits as a profile."""

from __future__ import annotations

from pathlib import Path

import pytest

import trapbench
from hardware_model import presets
from results.advice import measured, overhead, sentences, unsaid
from results.errors import ResultsError
from results.run import Run

RATES = {"interrupts": 2_000.0}
NEHALEM = presets.load("nehalem")

REPORT = """\
Analyze events for all VMs, all VCPUs:

             VM-EXIT    Samples  Samples%     Time%    Min Time    Max Time         Avg time

                 HLT      50000    45.00%    90.00%      1.00us   4000.00us     200.00us ( +-   1.00% )
      IO_INSTRUCTION      12000    10.00%     3.00%      1.00us     90.00us       8.00us ( +-   1.00% )
             INVLPG        9000     9.00%     1.00%      0.50us      9.00us       1.00us ( +-   1.00% )
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trapbench.run(
        ["native", "bt", "hvm-ept", "hvm-shadow"],
        ["kernel/null-call", "exit/self-ipi"],
        jobs=1,
        out=tmp_path_factory.mktemp("advice") / "run",
    )


def ranked(run: Run, rates: dict[str, float]) -> list[overhead.Verdict]:
    return overhead.verdicts(overhead.Observed(run, rates, NEHALEM), NEHALEM)


def test_at_a_rate_that_the_profile_does_not_name_another_technique_draws_level(run: Run) -> None:
    first = ranked(run, RATES)
    assert first[0].technique == "bt"
    [turn] = unsaid.turns(run, RATES, NEHALEM, first)
    assert (turn.activity, turn.technique) == ("system-calls", "hvm-ept")
    there = {v.technique: v.share for v in ranked(run, RATES | {turn.activity: turn.rate})}
    assert there["hvm-ept"] == pytest.approx(there["bt"])


def test_what_a_profile_names_is_not_called_unsaid(run: Run) -> None:
    rates = RATES | {"system-calls": 1.0}
    assert unsaid.turns(run, rates, NEHALEM, ranked(run, rates)) == []


@pytest.mark.parametrize(
    ("probability", "word"), [(1.0, "almost certainly"), (0.8, "probably"), (0.51, "hardly surely")]
)
def test_the_answer_says_how_sure_it_is(probability: float, word: str) -> None:
    best = overhead.Verdict("pv", 0.021, 0.01, 0.04, probability, {"interrupts": 0.021})
    other = overhead.Verdict("bt", 0.03, 0.01, 0.05, 1 - probability, {"interrupts": 0.03})
    text = sentences.answer([best, other])
    assert text.startswith(f"pv takes least, 2.1% of a processor (1.0% to 4.0%); {word}: ")
    assert ("bt in" in text) == (probability < 0.995)


def test_a_hosts_report_becomes_rates_and_what_has_no_workload_is_told(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    report.write_text(REPORT)
    found = measured.read(report, 10.0)
    assert found.rates == {"idle-wakeups": 5000.0, "port-accesses": 1200.0}
    assert found.left_out == {"INVLPG": 900.0}
    assert sentences.left_out(found.left_out).endswith("INVLPG 900 per second")


def test_an_event_that_a_host_counts_under_two_names_counts_once(tmp_path: Path) -> None:
    counts = tmp_path / "host.csv"
    counts.write_text("name,value\nhalt_exits,500\nkvm_exit(HLT),520\nio_exits,30\n")
    assert measured.read(counts, 10.0).rates == {"idle-wakeups": 52.0, "port-accesses": 3.0}


def test_a_host_without_exits_that_can_be_advised_on_is_one_sentence(tmp_path: Path) -> None:
    counts = tmp_path / "host.csv"
    counts.write_text("name,value\ninvlpg,500\n")
    with pytest.raises(ResultsError, match="counts no exits that can be advised on; those are"):
        measured.read(counts, 10.0)
