"""Claims 7 and 9 are judged by what the witnesses of attacks counted, and by cells that shared their machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from results.cell import Cell, canonical_knobs
from results.claims import isolation
from results.claims.evidence import Evidence
from results.finished import Finished
from results.run import Run

Make = Callable[..., Evidence]
BLOCKED, THROUGH = {"vtd.fault": 1}, {"isolation.breach.bytes": 64}
OPEN = {"protection": False}


@pytest.fixture
def evidence(native: Finished, fill_folder: Callable[..., Path]) -> Make:
    """Of cells under hvm-ept given as (workload, knobs, counters), all as native."""

    def made(*cells: tuple[str, Mapping[str, str | bool], dict[str, int]]) -> Evidence:
        finished = []
        for workload, knobs, counters in cells:
            own = Cell(workload, "small", "emulated", "nehalem", "hvm-ept", canonical_knobs(knobs))
            scopes = {"roi": counters, "total": counters}
            finished += [
                replace(native, cell=own, counters=scopes),
                replace(native, cell=own.baseline),
            ]
        unique = {cell.cell: cell for cell in finished}
        return Evidence(Run.load(fill_folder("a", list(unique.values()))), {})

    return made


def test_dma_is_judged_with_and_without_protection(evidence: Make) -> None:
    dma = "isolation/dma@write"
    whole = isolation.blocked_dma(evidence((dma, {}, BLOCKED), (dma, OPEN, THROUGH)))
    assert whole.verdict == "holds"
    assert (whole.numbers["blocked and recorded"], whole.numbers["succeeded unprotected"]) == (1, 1)


def test_half_an_experiment_is_none(evidence: Make) -> None:
    assert isolation.blocked_dma(evidence(("isolation/dma", {}, BLOCKED))).verdict == "not tested"


@pytest.mark.parametrize(
    ("protected", "unprotected"), [(THROUGH, THROUGH), ({}, THROUGH), (BLOCKED, {})]
)
def test_a_breach_a_missing_report_or_a_harmless_attack_refutes(
    evidence: Make, protected: dict[str, int], unprotected: dict[str, int]
) -> None:
    dma = "isolation/dma@stale"
    found = isolation.blocked_dma(evidence((dma, {}, protected), (dma, OPEN, unprotected)))
    assert found.verdict == "does not hold"


SHARED = ("nano/syscall", {"beside": "pv:kernel/pipe"}, {"world.switch": 4})
FOREIGN, REFUSED = "isolation/foreign-frame", {"refused": 8}


def test_several_vms_are_judged_by_their_outcomes_and_by_attempts(evidence: Make) -> None:
    found = isolation.several_machines(evidence(SHARED, (FOREIGN, {}, REFUSED)))
    assert found.verdict == "holds"
    assert found.numbers["cells beside others"] == 1


@pytest.mark.parametrize("counted", [THROUGH, {}])
def test_a_breach_between_vms_or_an_attempt_without_a_record_refutes(
    evidence: Make, counted: dict[str, int]
) -> None:
    found = isolation.several_machines(evidence(SHARED, (FOREIGN, {}, counted)))
    assert found.verdict == "does not hold"


def test_an_attempt_that_fails_unprotected_shows_nothing(evidence: Make) -> None:
    cells = SHARED, ("isolation/ring", {}, {"refused": 1})
    for counted, verdict in ((THROUGH, "holds"), ({}, "does not hold")):
        found = isolation.several_machines(evidence(*cells, ("isolation/ring", OPEN, counted)))
        assert found.verdict == verdict


def test_sharing_alone_is_half_an_experiment(evidence: Make) -> None:
    assert isolation.several_machines(evidence(SHARED)).verdict == "not tested"
