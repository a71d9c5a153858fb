"""Claims are judged by cells; without the cells they are not tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from results.cell import Cell
from results.claims import catalogue
from results.claims.evidence import Evidence, Finding
from results.finished import Finished
from results.run import Run

Judge = Callable[..., dict[int, Finding]]


@pytest.fixture
def judge(native: Finished, fill_folder: Callable[..., Path]) -> Judge:
    """Judges cells given as (workload, technique, digest, counters)."""

    def made(*cells: tuple[str, str, str, dict[str, int]]) -> dict[int, Finding]:
        finished = [
            replace(
                native,
                cell=Cell(workload, "small", "emulated", "nehalem", technique),
                digest=digest,
                outcome={"memory": digest},
                counters={"roi": counters, "total": counters},
            )
            for workload, technique, digest, counters in cells
        ]
        run = Run.load(fill_folder("a", finished))
        evidence = Evidence(run, {"bt": 5000, "hvm-ept": 1000, "hvm-shadow": 2500})
        return {claim.number: finding for claim, finding in catalogue.judge(evidence)}

    return made


WORK = {"insn.alu": 100_000}
FORK = [
    ("kernel/fork-wait", "native", "d", WORK),
    ("kernel/fork-wait", "bt", "d", {**WORK, "traps": 30, "trap.pf": 30}),
    ("kernel/fork-wait", "hvm-shadow", "d", {**WORK, "exits": 30, "mmu.pf_fixed": 30}),
    ("kernel/fork-wait", "hvm-ept", "d", {**WORK, "walk.reference.ept.l1": 40}),
]


def test_there_are_nine_claims_and_nothing_is_claimed_without_cells(judge: Judge) -> None:
    findings = judge(("nano/syscall", "native", "d", WORK))
    assert sorted(findings) == list(range(1, 10))
    assert {finding.verdict for finding in findings.values()} == {"not tested"}
    assert all(finding.why for finding in findings.values())


def test_the_first_claim_needs_a_divergence_and_an_equivalence(judge: Judge) -> None:
    probe = "sensitive/probe"
    cells = [(probe, "native", "d", WORK), (probe, "bt", "d", WORK)]
    assert judge(*cells, (probe, "trap-and-emulate", "x", WORK))[1].verdict == "holds"
    assert judge(*cells, (probe, "trap-and-emulate", "d", WORK))[1].verdict == "does not hold"


def test_translation_wins_early_and_loses_late(judge: Judge) -> None:
    finding = judge(*FORK)[2]
    assert finding.verdict == "depends"
    assert finding.numbers["prescott: bt faster than hvm-shadow"] == "1 of 1"
    assert finding.numbers["nehalem: bt faster than hvm-ept"] == "0 of 1"


def test_the_generations_are_judged_from_one_run(judge: Judge) -> None:
    finding = judge(*FORK)[4]
    assert finding.verdict == "holds"
    assert "prescott: hvm-ept" not in finding.numbers
    assert float(finding.numbers["prescott: hvm-shadow"]) > float(finding.numbers["prescott: bt"])


def test_ept_removes_the_upkeep_of_shadow_pages(judge: Judge) -> None:
    finding = judge(*FORK)[5]
    assert finding.verdict == "holds"
    assert finding.numbers["workloads on which hvm-ept is slower"] == 0


def test_the_size_of_a_vmm_is_told_per_technique(judge: Judge) -> None:
    finding = judge(*FORK)[8]
    assert finding.verdict == "holds"
    assert finding.numbers["bt: source lines"] == 5000
    assert finding.numbers["hvm-shadow: entries into the VMM"] == 30


def test_a_smaller_measure_of_another_technique_is_said(judge: Judge) -> None:
    name, technique, digest, counters = FORK[-1]
    finding = judge(*FORK[:-1], (name, technique, digest, {**counters, "emulate": 5}))[8]
    assert finding.verdict == "depends"
    assert "bt has fewer instructions emulated" in finding.why
    assert "bt has fewer paths" not in finding.why
    assert finding.numbers["bt: paths"] == 1


def test_porting_is_judged_by_sensitive_instructions_and_by_cycles(judge: Judge) -> None:
    native = {**WORK, "insn.cli": 40, "insn.syscall": 3}
    ported = {**WORK, "insn.syscall": 3, "hypercall.iret": 1, "trap.emulated": 2}
    cells = [(name, t, d, {**c, **native}) for name, t, d, c in FORK]
    finding = judge(*cells, ("kernel/fork-wait", "pv", "d", ported))[3]
    assert finding.numbers["sensitive instructions, native"] == 40
    assert finding.numbers["sensitive instructions, pv"] == 2
    assert finding.numbers["prescott: pv best of pv, bt, hvm-shadow, or level"] == (
        "100% of 1, alone 100%"
    )
    assert any("pv × kernel/fork-wait" in cell for cell in finding.cells)
